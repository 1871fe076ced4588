/** Files of conversations: our own form, OpenAI's and Open WebUI's. Pure; what a file holds is hostile until it is checked. */
import type {TroubleKind} from "../api/trouble";
import {goodParams} from "../settings/params";
import {newId} from "../ui/id";
import {attachment} from "./base64";
import {type Fields, clean, list, num, obj, str} from "./fields";
import {type Node, plant} from "./plant";
import {type Pictures, readOpenai} from "./openai";
import {readOpenWebui} from "./openwebui";
import {newestLeaf, titleOf} from "./tree";
import type {Conversation, Message, MessageState, Preset, Stats, StoredFile, ToolCall} from "./types";

export const FILE_MAX = 200 * 1024 * 1024;
export const CONVERSATIONS_MAX = 20_000;
const MESSAGES_MAX = 10_000;
const TEXT_MAX = 4 * 1024 * 1024;
const SYSTEM_MAX = 100_000;

/** What a form's reader makes of one conversation. */
export interface Draft {
    title: string;
    created: number;
    updated: number;
    pinned?: boolean;
    named?: boolean;
    folder?: string;
    model?: string;
    system: string;
    params?: unknown;
    nodes: Node[];
    /** The node that was shown last. */
    leaf: string;
}

export interface Taken {
    conversation: Conversation;
    messages: Message[];
    files: StoredFile[];
}
/** Why one conversation is left out. */
export type Skip = "empty" | "damaged" | "too-long";

export type Form = "own" | "openai" | "open-webui";
export interface Parsed {
    form: Form;
    entries: unknown[];
    presets: Preset[];
}

const OWN = "dgon-conversations";

/** What kind of file it is; undefined: none that we know. */
export function recognize(v: unknown): Parsed | undefined {
    const o = obj(v);
    if (o.format === OWN && Array.isArray(o.conversations)) {
        return {form: "own", entries: o.conversations, presets: list(o.presets).slice(0, 200).flatMap(goodPreset)};
    }
    const entries = Array.isArray(v) ? v : [v];
    const some = entries.slice(0, 50).map(obj);
    if (some.some((x) => typeof x.mapping === "object" && x.mapping !== null)) return {form: "openai", entries, presets: []};
    const chat = (x: Fields) => obj(x.chat);
    if (some.some((x) => chat(x).history !== undefined || Array.isArray(chat(x).messages))) return {form: "open-webui", entries, presets: []};
    return undefined;
}

function goodPreset(v: unknown): Preset[] {
    const o = obj(v);
    const name = clean(o.name, 80);
    return name ? [{id: newId(), name, system: str(o.system).slice(0, SYSTEM_MAX), params: goodParams(o.params), model: clean(o.model, 200)}] : [];
}

// ---- our own ----

const states: MessageState[] = ["done", "stopped", "cut", "failed"];
const kinds: TroubleKind[] = [
    "offline", "signin", "forbidden", "model", "too-large", "limit", "busy", "timeout", "request", "server", "alien", "cut", "empty",
];

const stamp = (v: unknown): number => (num(v) > 0 && num(v) < Date.now() + 86_400_000 ? num(v) : 0);

function goodStats(v: unknown): Stats {
    const o = obj(v);
    const out: Stats = {};
    for (const name of ["first", "total", "reasoning", "prompt", "completion"] as const) {
        const n = o[name];
        if (typeof n === "number" && Number.isFinite(n) && n >= 0) out[name] = n;
    }
    if (o.estimated === true) out.estimated = true;
    return out;
}

const goodCalls = (v: unknown): ToolCall[] =>
    list(v).slice(0, 128).map(obj).map((c) => ({
        id: clean(c.id, 200), name: clean(c.name, 200), arguments: str(c.arguments).slice(0, TEXT_MAX),
    }));

function readOwn(v: unknown): Draft | Skip {
    const o = obj(v);
    if (!Array.isArray(o.messages)) return "damaged";
    const contents = new Map<string, string>();
    for (const f of list(o.files).map(obj)) if (typeof f.data === "string") contents.set(str(f.id), f.data);
    const nodes = o.messages.map((x: unknown): Node => {
        const m = obj(x);
        const node: Node = {key: str(m.id), parent: str(m.parent)};
        if (m.role !== "user" && m.role !== "assistant") return node;
        const files = list(m.files).slice(0, 50).map(obj).flatMap((f) => {
            const got = attachment(f.name, f.type, f.kind, contents.get(str(f.id)) ?? "");
            return got ? [got] : [];
        });
        const trouble = obj(m.trouble);
        const kind = kinds.find((k) => k === trouble.kind);
        node.message = {
            role: m.role,
            text: str(m.text),
            reasoning: str(m.reasoning),
            calls: goodCalls(m.calls),
            files,
            model: clean(m.model, 200),
            state: m.role === "user" ? "done" : (states.find((s) => s === m.state) ?? "cut"),
            finish: clean(m.finish, 40),
            stats: goodStats(m.stats),
            created: stamp(m.created),
            ...(kind ? {trouble: {kind, message: str(trouble.message).slice(0, 2000), status: num(trouble.status), retryAt: 0}} : {}),
        };
        return node;
    });
    return {
        title: str(o.title), named: o.named === true, created: stamp(o.created), updated: stamp(o.updated), pinned: o.pinned === true,
        folder: clean(o.folder, 60), model: clean(o.model, 200), system: str(o.system), params: o.params, nodes, leaf: str(o.leaf),
    };
}

const readers: Record<Form, (v: unknown, pictures: Pictures) => Draft | Skip> = {own: readOwn, openai: readOpenai, "open-webui": readOpenWebui};

const none: Pictures = {found: new Map(), missing: ""};

/** One conversation of a file, with new names throughout; or why not. */
export function convert(form: Form, entry: unknown, now = Date.now(), pictures = none): Taken | Skip {
    const d = readers[form](entry, pictures);
    if (typeof d === "string") return d;
    if (d.nodes.length > MESSAGES_MAX * 4) return "too-long";
    const {messages, files, ids} = plant(d.nodes, now);
    const first = messages[0];
    if (!first) return "empty";
    if (messages.length > MESSAGES_MAX || messages.some((m) => m.text.length > TEXT_MAX || m.reasoning.length > TEXT_MAX)) return "too-long";
    const id = newId();
    for (const m of messages) m.conversation = id;
    const byId = new Map(messages.map((m) => [m.id, m]));
    const title = clean(d.title, 200);
    const created = d.created || Math.min(...messages.map((m) => m.created)) || now;
    const conversation: Conversation = {
        id,
        title: title || titleOf(messages.find((m) => m.role === "user")?.text ?? first.text),
        named: d.named ?? title !== "",
        created,
        updated: d.updated || created,
        pinned: d.pinned ?? false,
        folder: d.folder ?? "",
        model: clean(d.model, 200) || ([...messages].reverse().find((m) => m.model)?.model ?? ""),
        system: d.system.slice(0, SYSTEM_MAX),
        params: goodParams(d.params),
        leaf: newestLeaf(byId, ids.get(d.leaf) ?? first.id),
        draft: "",
        deleted: 0,
    };
    return {conversation, messages, files: files.map((f) => ({...f, conversation: id}))};
}

// ---- writing ----

/** The beginning and the end of our own file; between them conversations, with commas. */
export const ownHead = (presets: Preset[], now = new Date()): string =>
    `{"format":"${OWN}","version":1,"exported":${JSON.stringify(now.toISOString())},"presets":${JSON.stringify(presets)},"conversations":[\n`;
export const ownTail = "\n]}\n";

/** contents: base64 by a file's id. What is only of this browser stays here: the draft, what was deleted. */
export function ownEntry(c: Conversation, messages: Message[], contents: ReadonlyMap<string, string>): string {
    const {draft: _d, deleted: _g, ...rest} = c;
    const files = [...contents].map(([id, data]) => ({id, data}));
    return JSON.stringify({...rest, messages: messages.map(({conversation: _c, touched: _t, ...m}) => m), files});
}

export interface MarkdownWords {
    you: string;
    assistant: string;
    system: string;
    reasoning: string;
    file: string;
}

/** The branch that is shown, for people. Text stands as it was written. */
export function toMarkdown(c: Conversation, path: Message[], words: MarkdownWords): string {
    const quote = (text: string) => text.split("\n").map((line) => `> ${line}`.trimEnd()).join("\n");
    const out = [`# ${clean(c.title, 200)}`];
    if (c.system.trim()) out.push(quote(`**${words.system}**\n\n${c.system.trim()}`));
    for (const m of path) {
        out.push(`## ${m.role === "user" ? words.you : clean(m.model, 200) || words.assistant}`);
        for (const f of m.files) out.push(`*${words.file}: ${clean(f.name, 200)}*`);
        if (m.reasoning.trim()) out.push(quote(`**${words.reasoning}**\n\n${m.reasoning.trim()}`));
        for (const call of m.calls) out.push(`\`${clean(call.name, 200).replaceAll("`", "'")}\`\n\n${fence(call.arguments)}`);
        if (m.text.trim()) out.push(m.text.trim());
    }
    return `${out.join("\n\n")}\n`;
}

/** A code block with a fence longer than any in it. */
function fence(text: string): string {
    const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map((x) => x[0].length));
    const bar = "`".repeat(longest + 1);
    return `${bar}\n${text}\n${bar}`;
}

/** A title as a file's name on any system. */
export function fileName(title: string, ending: string): string {
    const name = clean(title, 80).replace(/[\\/:*?"<>|.]+/g, " ").replace(/\s+/g, " ").trim();
    const reserved = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(name);
    return `${reserved || !name ? "chat" : name}.${ending}`;
}
