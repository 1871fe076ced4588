/** Branches of a conversation. Pure. */
import type {Message} from "./types";

export type Messages = ReadonlyMap<string, Message>;

/** From the first message to leaf. A loop, which only a damaged file can have, ends the path. */
export function pathTo(messages: Messages, leaf: string): Message[] {
    const out: Message[] = [];
    const seen = new Set<string>();
    for (let m = messages.get(leaf); m && !seen.has(m.id); m = messages.get(m.parent)) {
        seen.add(m.id);
        out.push(m);
    }
    return out.reverse();
}

/** The versions of m: messages of its role with its parent, oldest first. */
export function siblings(messages: Messages, m: Message): Message[] {
    return [...messages.values()]
        .filter((x) => x.parent === m.parent && x.role === m.role)
        .sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1));
}

/** The end of the branch through id that was worked on last. */
export function newestLeaf(messages: Messages, id: string): string {
    const children = new Map<string, Message[]>();
    for (const m of messages.values()) children.set(m.parent, [...(children.get(m.parent) ?? []), m]);
    const seen = new Set<string>();
    let at = id;
    for (;;) {
        seen.add(at);
        const next = (children.get(at) ?? []).filter((m) => !seen.has(m.id)).sort((a, b) => b.created - a.created)[0];
        if (!next) return at;
        at = next.id;
    }
}

/** id and everything that follows from it. */
export function subtree(messages: Messages, id: string): string[] {
    const out = [id];
    for (let i = 0; i < out.length; i++) {
        for (const m of messages.values()) if (m.parent === out[i] && !out.includes(m.id)) out.push(m.id);
    }
    return out;
}

/** A conversation's name until a person gives one: the beginning of its first question. */
export function titleOf(text: string): string {
    const line = text.replace(/[#>*`_~\s]+/g, " ").trim();
    const chars = [...line];
    return chars.length > 60 ? `${chars.slice(0, 59).join("").trimEnd()}…` : line;
}
