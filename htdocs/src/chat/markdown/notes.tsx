/** Footnotes in the text and at its end. Buttons, not links: the page's address is not an answer's to change, and no ids are needed. */
import type {Token} from "marked";
import type {ComponentChildren} from "preact";
import {t} from "../../i18n";
import type {NoteRefToken, NoteToken} from "./footnotes";
import {walk} from "./lexer";

function go(from: EventTarget | null, to: string): void {
    const found = from instanceof Element ? from.closest(".md")?.querySelector<HTMLElement>(to) : null;
    found?.scrollIntoView({block: "nearest"});
    found?.focus({preventScroll: true});
}

export function NoteRef({token}: {token: NoteRefToken}) {
    if (token.number === 0) return <>{token.raw}</>;
    return (
        <sup>
            <button type="button" class="md-noteref" data-ref={token.number} aria-label={t("md.note", {n: token.number})}
                onClick={(e) => go(e.currentTarget, `[data-note="${token.number}"]`)}>
                {token.number}
            </button>
        </sup>
    );
}

/** The notes that the text asks for, in the order of their numbers. */
export function notesOf(tokens: readonly Token[]): {number: number; tokens: Token[]}[] {
    const notes = new Map<string, NoteToken>();
    for (const x of tokens) {
        if (x.type !== "note") continue;
        const note = x as NoteToken;
        if (!notes.has(note.label)) notes.set(note.label, note);
    }
    if (notes.size === 0) return [];
    const numbers = new Map<number, NoteToken>();
    walk(tokens, (x) => {
        if (x.type !== "noteRef") return;
        const ref = x as NoteRefToken;
        const note = notes.get(ref.label);
        if (note && ref.number > 0) numbers.set(ref.number, note);
    });
    return [...numbers].sort((a, b) => a[0] - b[0]).map(([number, note]) => ({number, tokens: note.tokens}));
}

export function Note({number, children}: {number: number; children: ComponentChildren}) {
    return (
        <li value={number} data-note={number} tabIndex={-1}>
            {children}
            <button type="button" class="md-noteback" aria-label={t("md.noteBack", {n: number})}
                onClick={(e) => go(e.currentTarget, `[data-ref="${number}"]`)}>
                ↩
            </button>
        </li>
    );
}
