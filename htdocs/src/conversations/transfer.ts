/** Reads and writes files of conversations. One conversation at a time, so that many of them fit. */
import {t} from "../i18n";
import {loadPresets, presets, savePreset} from "../settings/presets";
import {toast} from "../ui/toasts";
import {toBase64} from "./base64";
import * as db from "./db";
import {CONVERSATIONS_MAX, FILE_MAX, type Skip, type Taken, convert, fileName, ownEntry, ownHead, ownTail, recognize, toMarkdown} from "./files";
import type {Picture} from "./openai";
import {picturesIn} from "./pictures";
import * as store from "./store";
import {pathTo} from "./tree";
import {ZipTrouble, entries, isZip, unpack, wanted} from "./zip";
import type {Conversation, Preset} from "./types";

/** So many conversations or characters are written in one go. */
const BATCH = 50;
const BATCH_CHARS = 8 * 1024 * 1024;
/** Files of an archive. */
const ENTRIES_MAX = 200;

function download(blob: Blob, name: string): void {
    const a = document.createElement("a");
    a.href = URL.createObjectURL(blob);
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(a.href), 60_000);
}

async function entry(c: Conversation): Promise<string> {
    const contents = new Map<string, string>();
    for (const f of await db.filesOf(c.id)) contents.set(f.id, await toBase64(f.blob));
    return ownEntry(c, await db.messagesOf(c.id), contents);
}

async function ownFile(cs: Conversation[], name: string, also: Preset[] = []): Promise<void> {
    // Each piece leaves the page's memory as soon as it is in a Blob.
    const parts: Blob[] = [new Blob([ownHead(also)])];
    for (const [i, c] of cs.entries()) parts.push(new Blob([i > 0 ? ",\n" : "", await entry(c)]));
    parts.push(new Blob([ownTail]));
    download(new Blob(parts, {type: "application/json"}), name);
}

const today = (): string => new Date().toISOString().slice(0, 10);

export async function exportAll(): Promise<void> {
    await loadPresets();
    const all = store.list.peek();
    if (all.length === 0) return toast(t("file.none"));
    await ownFile(all, `chats-${today()}.json`, presets.peek());
    toast(t("file.exported", {n: all.length}));
}

export async function exportOne(id: string): Promise<void> {
    const c = await db.getConversation(id);
    if (c) await ownFile([c], fileName(c.title, "json"));
}

export async function shareOne(id: string): Promise<void> {
    const c = await db.getConversation(id);
    if (!c) return;
    const all = new Map((await db.messagesOf(id)).map((m) => [m.id, m]));
    const text = toMarkdown(c, pathTo(all, c.leaf), {
        you: t("file.you"), assistant: t("file.assistant"), system: t("file.system"), reasoning: t("file.reasoning"), file: t("file.attachment"),
    });
    const file = new File([text], fileName(c.title, "md"), {type: "text/markdown"});
    const what = {files: [file], title: c.title};
    if (navigator.canShare?.(what)) {
        try {
            return await navigator.share(what);
        } catch (e) {
            if (e instanceof DOMException && e.name === "AbortError") return; // the person closed it
        }
    }
    download(file, file.name);
}

interface Outcome {
    taken: number;
    presets: number;
    skipped: Map<Skip | "too-many", number>;
}

const pause = (): Promise<void> => new Promise((done) => setTimeout(done));

type Refusal = "" | "file.notJson" | "file.unknown" | "file.full";

type Find = (conversation: unknown) => Promise<ReadonlyMap<string, Picture>>;
/** A file alone has none beside it. */
const nowhere: Find = async () => new Map<string, Picture>();

/** Takes what can be taken into the database; what stays out is counted by its reason. */
async function takeAll(text: string, out: Outcome, find = nowhere): Promise<Refusal> {
    let parsed: ReturnType<typeof recognize>;
    try {
        parsed = recognize(JSON.parse(text));
    } catch {
        return "file.notJson";
    }
    if (!parsed) return "file.unknown";
    const skip = (why: Skip | "too-many", n = 1) => out.skipped.set(why, (out.skipped.get(why) ?? 0) + n);
    const many = parsed.entries.length - CONVERSATIONS_MAX;
    if (many > 0) skip("too-many", many);
    let batch: Taken[] = [];
    let chars = 0;
    const flush = async () => {
        const good = await store.take(batch.map((x) => x.conversation), batch.flatMap((x) => x.messages), batch.flatMap((x) => x.files));
        if (good) out.taken += batch.length;
        batch = [];
        chars = 0;
        await pause(); // the page stays alive
        return good;
    };
    for (const e of parsed.entries.slice(0, CONVERSATIONS_MAX)) {
        const got = convert(parsed.form, e, undefined, {found: await find(e), missing: t("file.picture")});
        if (typeof got === "string") {
            skip(got);
            continue;
        }
        batch.push(got);
        chars += got.messages.reduce((n, m) => n + m.text.length, 0) + got.files.reduce((n, f) => n + f.blob.size, 0);
        if ((batch.length >= BATCH || chars >= BATCH_CHARS) && !(await flush())) return "file.full";
    }
    if (batch.length > 0 && !(await flush())) return "file.full";
    for (const p of parsed.presets) {
        if (presets.peek().some((x) => x.name === p.name)) continue; // the one that is here stays
        if (await savePreset(p.name, p)) out.presets++;
    }
    return "";
}

const reasons: Record<Skip | "too-many", () => string> = {
    empty: () => t("file.skip.empty"),
    damaged: () => t("file.skip.damaged"),
    "too-long": () => t("file.skip.tooLong"),
    "too-many": () => t("file.skip.tooMany", {n: CONVERSATIONS_MAX}),
};

function report(out: Outcome): string {
    const words = [t("file.imported", {n: out.taken})];
    if (out.presets > 0) words.push(t("file.importedPresets", {n: out.presets}));
    const skipped = [...out.skipped.values()].reduce((a, b) => a + b, 0);
    if (skipped > 0) words.push(t("file.skipped", {n: skipped, why: [...out.skipped.keys()].map((k) => reasons[k]()).join(", ")}));
    return words.join(" ");
}

/** The conversations of an archive. All its files of them together may be as large as one. A file of other things is nothing to tell of. */
async function takeZip(f: File, out: Outcome): Promise<string> {
    let room = FILE_MAX;
    let found = false;
    try {
        const all = await entries(f);
        const find = picturesIn(f, all);
        for (const e of wanted(all).slice(0, ENTRIES_MAX)) {
            const {text, bytes} = await unpack(f, e, room);
            room -= bytes;
            const refused = await takeAll(text, out, find);
            if (refused === "file.full") return t(refused);
            found ||= refused === "";
        }
    } catch (e) {
        if (!(e instanceof ZipTrouble)) throw e;
        return e.why === "damaged" ? t("file.zipBad") : t("file.tooLarge", {n: FILE_MAX / 1024 / 1024});
    }
    return found ? "" : t("file.zip");
}

async function takeFile(f: File, out: Outcome): Promise<string> {
    if (await isZip(f).catch(() => false)) return takeZip(f, out);
    if (f.size > FILE_MAX) return t("file.tooLarge", {n: FILE_MAX / 1024 / 1024});
    const text = await f.text().catch(() => undefined);
    if (text === undefined) return t("file.unreadable");
    const refused = await takeAll(text, out);
    return refused && t(refused);
}

export async function importFiles(files: Iterable<File>): Promise<string> {
    await loadPresets();
    const words: string[] = [];
    for (const f of files) {
        const out: Outcome = {taken: 0, presets: 0, skipped: new Map()};
        const trouble = await takeFile(f, out);
        const some = out.taken > 0 || out.skipped.size > 0 || out.presets > 0;
        if (trouble) words.push(`${f.name}: ${trouble}`);
        if (some || !trouble) words.push(report(out));
    }
    const all = words.join(" ");
    if (all) toast(all);
    return all;
}
