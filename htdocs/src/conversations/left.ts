/** The last words of an answer whose page goes in the middle of it. The database does not take them any more at that moment,
 *  localStorage does, because it is written at once; the next page puts them into the database. */
import type {Conversation, Message} from "./types";

const PREFIX = "dgon.left.";
const CHANGE = `${PREFIX}change.`;

/** What is on its way into the database for a conversation: a page that goes at once would take it along, and with an undo the conversation. */
export function leaveChange(id: string, what: Partial<Conversation>): void {
    try {
        localStorage.setItem(CHANGE + id, JSON.stringify(what));
    } catch {
        // then it is as safe as the database
    }
}

/** It has arrived, or never will. */
export function forgetChange(id: string): void {
    try {
        localStorage.removeItem(CHANGE + id);
    } catch {
        // nor was anything put there
    }
}

/** The changes that pages have left. What is not one is let go. */
export function takeChanges(): [id: string, what: Partial<Conversation>][] {
    const found: [string, Partial<Conversation>][] = [];
    try {
        for (const key of Object.keys(localStorage).filter((k) => k.startsWith(CHANGE))) {
            const text = localStorage.getItem(key) ?? "";
            localStorage.removeItem(key);
            try {
                const what: unknown = JSON.parse(text);
                if (typeof what === "object" && what !== null && !Array.isArray(what)) found.push([key.slice(CHANGE.length), what]);
            } catch {
                // half a change is none
            }
        }
    } catch {
        // no localStorage: nothing was left
    }
    return found;
}

export function leave(m: Message): void {
    try {
        localStorage.setItem(PREFIX + m.id, JSON.stringify({text: m.text, reasoning: m.reasoning, state: m.state}));
    } catch {
        // then the database has what was there half a second ago
    }
}

/** What was left of m, once: m with it, or m itself. */
export function takeLeft(m: Message): Message {
    const key = PREFIX + m.id;
    try {
        const v: unknown = JSON.parse(localStorage.getItem(key) ?? "null");
        localStorage.removeItem(key);
        if (typeof v !== "object" || v === null) return m;
        const {text, reasoning, state} = v as Record<string, unknown>;
        if (typeof text !== "string" || typeof reasoning !== "string") return m;
        return text.length >= m.text.length && reasoning.length >= m.reasoning.length 
            ? {...m, text, reasoning, ...(state === "done" || state === "stopped" ? {state} : {})} : m;
    } catch {
        return m;
    }
}

/** Nothing of what was written here is to stay. */
export function forgetLeft(): void {
    try {
        for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
    } catch {
        // then nothing was left
    }
}
