/** One conversation of OpenAI's export. Pure. */
import {clean, list, obj, str, time} from "./fields";
import type {Draft, Skip} from "./files";
import type {Node} from "./plant";

const join = (a: string, b: string): string => [a, b].filter(Boolean).join("\n\n");
/** Marks of sources, which mean nothing outside of the place they come from. */
const plain = (text: string): string => text.replace(/\ue200[^\ue200\ue201]*\ue201/g, "");

/** The text of a message's content; what is no text (pictures, sound) is not in the file. */
function textOf(content: Record<string, unknown>): string {
    if (Array.isArray(content.parts)) {
        return plain(content.parts.map((p: unknown) => (typeof p === "string" ? p : str(obj(p).text))).filter(Boolean).join("\n\n"));
    }
    return str(content.text) || str(content.result);
}

const thoughts = (content: Record<string, unknown>): string =>
    list(content.thoughts).map(obj).map((x) => join(str(x.summary), str(x.content))).filter(Boolean).join("\n\n");

/** What is no question and no answer: tools' results, hints that only the model sees. */
const skipped = ["user_editable_context", "model_editable_context", "reasoning_recap", "execution_output", "system_error", "tether_quote", "tether_browsing_display"];

function readNode(key: string, v: unknown, system: string[]): Node {
    const o = obj(v);
    const node: Node = {key, parent: str(o.parent)};
    const m = obj(o.message);
    const role = obj(m.author).role;
    const content = obj(m.content);
    const kind = str(content.content_type);
    const meta = obj(m.metadata);
    if (skipped.includes(kind) || meta.is_visually_hidden_from_conversation === true) return node;
    const text = textOf(content);
    if (role === "system" && text.trim() && !system.includes(text.trim())) system.push(text.trim());
    if (role !== "user" && role !== "assistant") return node;
    const reasoning = kind === "thoughts" ? thoughts(content) : "";
    const to = str(m.recipient);
    const call = role === "assistant" && to !== "" && to !== "all";
    if (!text.trim() && !reasoning) return node;
    node.message = {
        role, text: call || reasoning ? "" : text, reasoning, calls: call ? [{id: "", name: clean(to, 200), arguments: text}] : [], files: [],
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
                model: n.message.model || above.model,
                created: above.created || n.message.created,
            };
            delete up.message;
            into.set(up.key, n.key);
        }
    }
    return into;
}

export function readOpenai(v: unknown): Draft | Skip {
    const o = obj(v);
    if (typeof o.mapping !== "object" || o.mapping === null || Array.isArray(o.mapping)) return "damaged";
    const system: string[] = [];
    const nodes = new Map(Object.entries(o.mapping).map(([key, x]) => [key, readNode(key, x, system)] as const));
    const into = fold(nodes);
    let leaf = str(o.current_node);
    for (let next = into.get(leaf); next !== undefined && next !== leaf; next = into.get(leaf)) leaf = next;
    return {
        title: str(o.title), created: time(o.create_time, 0), updated: time(o.update_time, 0), pinned: o.is_starred === true,
        model: clean(o.default_model_slug, 200), system: system.join("\n\n"), nodes: [...nodes.values()], leaf,
    };
}
