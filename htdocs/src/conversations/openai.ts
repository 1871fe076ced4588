/** One conversation of OpenAI's export. Pure. */
import {clean, list, obj, str, time} from "./fields";
import type {Draft, Skip} from "./files";
import type {Node} from "./plant";
import type {Attachment} from "./types";

export interface Picture {
    file: Attachment;
    blob: Blob;
}
/** What was found beside the conversation, by its id, and what is said where one was not. */
export interface Pictures {
    found: ReadonlyMap<string, Picture>;
    missing: string;
}
/** What one message has of them: each once. */
const some = (all: Picture[]): Picture[] => [...new Set(all)].slice(0, 50);

const join = (a: string, b: string): string => [a, b].filter(Boolean).join("\n\n");
/** Marks of sources, which mean nothing outside of the place they come from. */
const plain = (text: string): string => text.replace(/\ue200[^\ue200\ue201]*\ue201/g, "");

/** The id of the picture that a part of a message is; "" if it is one that has none, undefined if it is something else. */
function pictureId(part: unknown): string | undefined {
    const p = obj(part);
    if (p.content_type !== "image_asset_pointer") return undefined;
    return /^(?:file-service|sediment):\/\/(file[-_][A-Za-z0-9]+)/.exec(str(p.asset_pointer))?.[1] ?? "";
}

const partsOf = (node: unknown): unknown[] => list(obj(obj(obj(node).message).content).parts);
/** Of every picture in a conversation. */
export const pictureIds = (v: unknown): Set<string> =>
    new Set(Object.values(obj(obj(v).mapping)).flatMap(partsOf).flatMap((p) => pictureId(p) || []));

/** The text of a message's content; sound and the like is left out. */
function textOf(content: Record<string, unknown>, pictures: Pictures): string {
    if (!Array.isArray(content.parts)) return str(content.text) || str(content.result);
    const words = content.parts.map((p: unknown) => {
        const id = pictureId(p);
        if (id !== undefined) return pictures.found.has(id) ? "" : pictures.missing;
        return typeof p === "string" ? p : str(obj(p).text);
    });
    return plain(words.filter(Boolean).join("\n\n"));
}

const thoughts = (content: Record<string, unknown>): string =>
    list(content.thoughts).map(obj).map((x) => join(str(x.summary), str(x.content))).filter(Boolean).join("\n\n");

/** What is no question and no answer: tools' results, hints that only the model sees. */
const skipped = ["user_editable_context", "model_editable_context", "reasoning_recap", "execution_output", "system_error", "tether_quote", "tether_browsing_display"];

function readNode(key: string, v: unknown, system: string[], pictures: Pictures): Node {
    const o = obj(v);
    const node: Node = {key, parent: str(o.parent)};
    const m = obj(o.message);
    const content = obj(m.content);
    const files = some(list(content.parts).flatMap((p) => pictures.found.get(pictureId(p) ?? "") ?? []));
    const author = obj(m.author).role;
    // What a tool says is for the model; what it painted is the answer.
    const painted = author === "tool" && files.length > 0;
    const role = painted ? "assistant" : author;
    const kind = str(content.content_type);
    const meta = obj(m.metadata);
    if (skipped.includes(kind) || meta.is_visually_hidden_from_conversation === true) return node;
    const text = painted ? "" : textOf(content, pictures);
    if (role === "system" && text.trim() && !system.includes(text.trim())) system.push(text.trim());
    if (role !== "user" && role !== "assistant") return node;
    const reasoning = kind === "thoughts" ? thoughts(content) : "";
    const to = str(m.recipient);
    const call = role === "assistant" && !painted && to !== "" && to !== "all";
    if (!text.trim() && !reasoning && files.length === 0) return node;
    node.message = {
        role, text: call || reasoning ? "" : text, reasoning, calls: call ? [{id: "", name: clean(to, 200), arguments: text}] : [], files,
        model: clean(meta.model_slug, 200), state: "done", finish: "", stats: {}, created: time(m.create_time, 0),
    };
    return node;
}

/** Thinking, calls of tools and words of one answer are nodes of their own there: here they are one message. */
function fold(nodes: Map<string, Node>): Map<string, string> {
    const children = new Map<string, number>();
    for (const n of nodes.values()) children.set(n.parent, (children.get(n.parent) ?? 0) + 1);
    const into = new Map<string, string>();
    for (const n of nodes.values()) {
        const seen = new Set([n.key]);
        for (let up = nodes.get(n.parent); n.message?.role === "assistant" && up; up = nodes.get(up.parent)) {
            const above = up.message;
            if (children.get(up.key) !== 1 || seen.has(up.key) || above?.role === "user") break;
            seen.add(up.key);
            if (!above) continue;
            // The later one stays, as what follows hangs on it.
            n.message = {
                ...n.message,
                text: join(above.text, n.message.text),
                reasoning: join(above.reasoning, n.message.reasoning),
                calls: [...above.calls, ...n.message.calls].slice(0, 128),
                files: some([...above.files, ...n.message.files]),
                model: n.message.model || above.model,
                created: above.created || n.message.created,
            };
            delete up.message;
            into.set(up.key, n.key);
        }
    }
    return into;
}

export function readOpenai(v: unknown, pictures: Pictures): Draft | Skip {
    const o = obj(v);
    if (typeof o.mapping !== "object" || o.mapping === null || Array.isArray(o.mapping)) return "damaged";
    const system: string[] = [];
    const nodes = new Map(Object.entries(o.mapping).map(([key, x]) => [key, readNode(key, x, system, pictures)] as const));
    const into = fold(nodes);
    let leaf = str(o.current_node);
    for (let next = into.get(leaf); next !== undefined && next !== leaf; next = into.get(leaf)) leaf = next;
    return {
        title: str(o.title), created: time(o.create_time, 0), updated: time(o.update_time, 0), pinned: o.is_starred === true,
        model: clean(o.default_model_slug, 200), system: system.join("\n\n"), nodes: [...nodes.values()], leaf,
    };
}
