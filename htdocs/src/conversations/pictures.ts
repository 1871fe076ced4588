/** Pictures that lie in OpenAI's archive beside the conversations. They are taken as one that a person pastes. */
import {IMAGE_MAX, takeFile} from "../chat/attachments";
import {clean} from "./fields";
import {type Picture, pictureIds} from "./openai";
import {type Entry, ZipTrouble, base, unpackBlob} from "./zip";

/** So many of one conversation. */
const PICTURES_MAX = 1000;

/** By its first bytes: the names of an archive's files need not tell. */
async function typeOf(content: Blob): Promise<string | undefined> {
    const head = String.fromCharCode(...new Uint8Array(await content.slice(0, 12).arrayBuffer()));
    if (head.startsWith("\x89PNG\r\n\x1a\n")) return "image/png";
    if (head.startsWith("\xff\xd8\xff")) return "image/jpeg";
    if (/^GIF8[79]a/.test(head)) return "image/gif";
    return /^RIFF[^]{4}WEBP/.test(head) ? "image/webp" : undefined;
}

/** undefined: it is too large, or no picture. */
async function take(archive: Blob, e: Entry, name: string): Promise<Picture | undefined> {
    let content: Blob;
    try {
        content = await unpackBlob(archive, e, IMAGE_MAX);
    } catch (x) {
        if (x instanceof ZipTrouble) return undefined;
        throw x;
    }
    const type = await typeOf(content);
    const got = type && (await takeFile(new File([content], name, {type})));
    return typeof got === "object" ? got : undefined;
}

/** What finds the pictures of one conversation of the archive, by the ids that its messages name. */
export function picturesIn(archive: Blob, all: readonly Entry[]): (conversation: unknown) => Promise<ReadonlyMap<string, Picture>> {
    const byId = new Map<string, {entry: Entry; name: string}>();
    for (const entry of all) {
        const name = base(entry.name);
        const [, id, rest] = /^(file[-_][A-Za-z0-9]+)(?:[-_](.+))?/.exec(name) ?? [];
        if (id && !byId.has(id)) byId.set(id, {entry, name: clean(rest ?? name, 200)});
    }
    return async (conversation) => {
        const found = new Map<string, Picture>();
        for (const id of [...pictureIds(conversation)].slice(0, PICTURES_MAX)) {
            const at = byId.get(id);
            const got = at && (await take(archive, at.entry, at.name));
            if (got) found.set(id, got);
        }
        return found;
    };
}
