/** What is on its way into the database when its page goes: the database does not take it any more at that moment, localStorage
 *  does, because it is written at once; the next page puts it into the database. */
import {obj} from "./fields";
import type {Conversation, Message} from "./types";

const PREFIX = "dgon.left.";
const CHANGE = `${PREFIX}change.`;
const UNDONE = `${PREFIX}undone.`;

function put(key: string, what: unknown): void {
    try {
        localStorage.setItem(key, JSON.stringify(what));
    } catch {
        // then it is as safe as the database
    }
}

function drop(key: string): void {
    try {
        localStorage.removeItem(key);
    } catch {
        // nor was anything put there
    }
}

/** What pages have left under a prefix, once: the rest of each key, and what was put there. */
function takeAll(prefix: string): [rest: string, what: unknown][] {
    const found: [string, unknown][] = [];
    try {
        for (const key of Object.keys(localStorage).filter((k) => k.startsWith(prefix))) {
            const text = localStorage.getItem(key) ?? "";
            localStorage.removeItem(key);
            try {
                found.push([key.slice(prefix.length), JSON.parse(text)]);
            } catch {
                // half of it is nothing
            }
        }
    } catch {
        // no localStorage: nothing was left
    }
    return found;
}

/** What is on its way for a conversation: it would be lost, and with an undo the conversation. */
export const leaveChange = (id: string, what: Partial<Conversation>): void => put(CHANGE + id, what);
/** It has arrived, or never will. */
export const forgetChange = (id: string): void => drop(CHANGE + id);
/** The changes that pages have left. What is not one is let go. */
export const takeChanges = (): [id: string, what: Partial<Conversation>][] =>
    takeAll(CHANGE).flatMap(([id, what]) => (typeof what === "object" && what !== null && !Array.isArray(what) ? [[id, what]] : []));

/** Deleted messages that come back: id is the first of them. */
export const leaveUndone = (id: string, ms: Message[]): void => put(UNDONE + id, ms);
export const forgetUndone = (id: string): void => drop(UNDONE + id);
const isMessage = (v: unknown): v is Message => typeof obj(v).id === "string" && typeof obj(v).conversation === "string";
/** The messages that pages have left. What is none is let go; what is damaged inside is mended when it is read. */
export const takeUndone = (): Message[] => takeAll(UNDONE).flatMap(([, what]) => (Array.isArray(what) ? what.filter(isMessage) : []));

/** The last words of an answer; without them the database has what was there half a second ago. */
export const leave = (m: Message): void => put(PREFIX + m.id, {text: m.text, reasoning: m.reasoning, state: m.state});

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
