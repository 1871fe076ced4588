/** What this browser remembers of its user's choices. One entry each in localStorage, shared by all tabs. */
import {type Signal, effect, signal} from "@preact/signals";

const PREFIX = "dgon.";

function read<T>(name: string, fallback: T, good: (v: unknown) => v is T): T {
    try {
        const text = localStorage.getItem(PREFIX + name);
        const value: unknown = text === null ? fallback : JSON.parse(text);
        return good(value) ? value : fallback;
    } catch {
        return fallback; // storage is forbidden, or holds what is not JSON
    }
}

/** A signal that is kept. What another tab writes arrives here too. */
function kept<T>(name: string, fallback: T, good: (v: unknown) => v is T): Signal<T> {
    const s = signal(read(name, fallback, good));
    let first = true;
    effect(() => {
        const text = JSON.stringify(s.value);
        if (first) {
            first = false;
            return;
        }
        try {
            if (localStorage.getItem(PREFIX + name) !== text) localStorage.setItem(PREFIX + name, text);
        } catch {
            // it is kept for as long as the page is open
        }
    });
    addEventListener("storage", (e) => {
        if (e.key === PREFIX + name) s.value = read(name, fallback, good);
    });
    return s;
}

const oneOf =
    <T extends string>(...words: T[]) =>
    (v: unknown): v is T =>
        words.includes(v as T);
const isString = (v: unknown): v is string => typeof v === "string";
const isBool = (v: unknown): v is boolean => typeof v === "boolean";

export type Theme = "system" | "light" | "dark";
export const theme = kept<Theme>("theme", "system", oneOf("system", "light", "dark"));
/** "" is the browser's language. */
export const language = kept("language", "", isString);
/** The model that was used last. */
export const lastModel = kept("model", "", isString);
export const sidebarOpen = kept("sidebar", true, isBool);
/** Shift+Enter sends and Enter makes a new line, for those who write much. */
export const enterSends = kept("enter-sends", true, isBool);
export const showStats = kept("stats", true, isBool);
