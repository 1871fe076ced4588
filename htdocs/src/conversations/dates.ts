/** Groups of the list by age. Pure but for the clock. */
import type {Key} from "../i18n/en";
import type {Conversation} from "./types";

const DAY = 86_400_000;

export function ageOf(c: Conversation, now = Date.now()): Key {
    if (c.pinned) return "list.pinned";
    const today = new Date(now).setHours(0, 0, 0, 0);
    if (c.updated >= today) return "list.today";
    if (c.updated >= today - DAY) return "list.yesterday";
    if (c.updated >= today - 7 * DAY) return "list.week";
    return c.updated >= today - 30 * DAY ? "list.month" : "list.older";
}

/** In the order they come. */
export function grouped(list: Conversation[], now = Date.now()): [Key, Conversation[]][] {
    const out: [Key, Conversation[]][] = [];
    for (const c of list) {
        const key = ageOf(c, now);
        const last = out[out.length - 1];
        if (last?.[0] === key) last[1].push(c);
        else out.push([key, [c]]);
    }
    return out;
}
