/** What screen readers hear of an answer that is being written: whole paragraphs, at most every few seconds. */
import {effect} from "@preact/signals";
import {path} from "../conversations/store";
import type {Message} from "../conversations/types";
import {t} from "../i18n";
import {say} from "../ui/toasts";

const EVERY_MS = 5000;
const AT_MOST = 600;

const plain = (text: string) => text.replace(/```[^\n]*\n?|[*_#>`|]/g, "").replace(/\s+/g, " ").trim();

/** Text of m from which paragraphs on that are whole are new since `from`; a whole message has no open end. */
export function newlyWhole(m: Message, from: number): {text: string; to: number} {
    const to = m.state === "streaming" ? m.text.lastIndexOf("\n\n") : m.text.length;
    if (to <= from) return {text: "", to: from};
    const text = plain(m.text.slice(from, to));
    return {text: text.length > AT_MOST ? `${text.slice(0, AT_MOST)}…` : text, to};
}

export function startAnnouncing(): void {
    let id = "";
    let from = 0;
    let at = 0;
    effect(() => {
        const m = path.value[path.value.length - 1];
        if (!m || m.role !== "assistant") return;
        const streaming = m.state === "streaming";
        if (m.id !== id) {
            if (!streaming) return; // an old one that was opened
            [id, from, at] = [m.id, 0, Date.now()];
        }
        if (streaming && Date.now() - at < EVERY_MS) return;
        const next = newlyWhole(m, from);
        [from, at] = [next.to, Date.now()];
        if (streaming) {
            if (next.text) say(next.text);
            return;
        }
        id = "";
        say([next.text, t(m.state === "done" ? "announce.done" : "announce.ended")].filter(Boolean).join(" "));
    });
}
