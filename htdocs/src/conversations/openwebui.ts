/** One conversation of Open WebUI's export. Pure. */
import {attachment} from "./base64";
import {clean, list, obj, str, time} from "./fields";
import type {Draft, Skip} from "./files";
import type {Node} from "./plant";

/** A picture that stands in the file itself. */
function picture(name: unknown, url: unknown) {
    const text = str(url);
    const comma = text.indexOf(",");
    const head = /^data:([a-z/]+);base64$/.exec(text.slice(0, Math.max(0, Math.min(comma, 40))));
    const got = head ? attachment(name, head[1], "image", text.slice(comma + 1)) : undefined;
    return got ? [got] : [];
}

const THOUGHT = '<details type="reasoning"';
const END = "</details>";

/** What it thought stands there as <details> with quoted lines. */
export function thinking(content: string): {text: string; reasoning: string} {
    let text = "";
    const reasoning: string[] = [];
    let at = 0;
    for (;;) {
        const from = content.indexOf(THOUGHT, at);
        const to = from < 0 ? -1 : content.indexOf(END, from);
        if (to < 0) break;
        text += content.slice(at, from);
        const open = content.indexOf(">", from) + 1;
        const summary = content.indexOf("</summary>", open);
        const body = content.slice(summary >= 0 && summary < to ? summary + "</summary>".length : open, to);
        reasoning.push(body.split("\n").map((line) => line.replace(/^(?:>|&gt;) ?/, "")).join("\n").trim());
        at = to + END.length;
    }
    return {text: (text + content.slice(at)).trim(), reasoning: reasoning.filter(Boolean).join("\n\n")};
}

function readNode(key: string, v: unknown, parent: string, system: string[]): Node {
    const m = obj(v);
    const node: Node = {key, parent};
    const parts = list(m.content).map(obj);
    const text = typeof m.content === "string" ? m.content : parts.map((p) => str(p.text)).filter(Boolean).join("\n\n");
    if (m.role === "system" && text.trim() && !system.includes(text.trim())) system.push(text.trim());
    if (m.role !== "user" && m.role !== "assistant") return node;
    const files = [
        ...parts.flatMap((p) => picture("image", obj(p.image_url).url)),
        ...list(m.files).slice(0, 50).map(obj).flatMap((f) => (f.type === "image" ? picture(f.name, f.url) : [])),
    ];
    const said = m.role === "assistant" ? thinking(text) : {text, reasoning: ""};
    if (!said.text && !said.reasoning && files.length === 0) return node;
    node.message = {
        ...said, role: m.role, calls: [], files, model: m.role === "assistant" ? clean(m.model, 200) : "",
        state: m.role === "assistant" && m.done === false ? "cut" : "done", finish: "", stats: {}, created: time(m.timestamp, 0),
    };
    return node;
}

export function readOpenWebui(v: unknown): Draft | Skip {
    const o = obj(v);
    const chat = obj(o.chat);
    const history = obj(chat.history);
    const system: string[] = [];
    let nodes: Node[];
    let leaf: string;
    if (typeof history.messages === "object" && history.messages !== null && !Array.isArray(history.messages)) {
        nodes = Object.entries(history.messages).map(([key, m]) => readNode(key, m, str(obj(m).parentId), system));
        leaf = str(history.currentId);
    } else if (Array.isArray(chat.messages)) {
        nodes = chat.messages.map((m: unknown, i: number) => readNode(`m${i}`, m, i > 0 ? `m${i - 1}` : "", system));
        leaf = nodes.length > 0 ? `m${nodes.length - 1}` : "";
    } else {
        return "damaged";
    }
    const params = obj(chat.params);
    const own = str(chat.system) || str(params.system);
    if (own.trim() && !system.includes(own.trim())) system.unshift(own.trim());
    return {
        title: str(chat.title) || str(o.title), created: time(o.created_at ?? chat.timestamp, 0), updated: time(o.updated_at, 0),
        pinned: o.pinned === true, model: clean(list(chat.models)[0], 200), system: system.join("\n\n"), params, nodes, leaf,
    };
}
