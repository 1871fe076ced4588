/** A text that grows, as the blocks it is made of. What is before its last blocks is read once and then left alone:
 *  a block is the same object for as long as it means the same, so that its view is not touched again. */
import type {MarkedToken, Token, Tokens} from "marked";
import type {NoteRefToken} from "./footnotes";
import {Known, type Links, lex, noLinks, walk} from "./lexer";

/** What the reading of a block leaves for those after it. */
interface State {
    links: Links;
    /** Labels of footnotes in the order of their first use. */
    notes: Map<string, number>;
    /** The level of the last heading in the page, and that of the first in the text. */
    heading: number;
    firstHeading: number;
    codes: number;
}

const PAGE_HEADING = 2; // an answer's headings stand below the page's own
/** Code blocks of one text that have a head, colours and scroll sideways: what each of them adds to a page is paid for at every frame. */
const CODES_MAX = 100;
const newState = (): State => ({links: noLinks(), notes: new Map(), heading: PAGE_HEADING, firstHeading: 0, codes: 0});
const copy = (s: State): State => ({...s, links: Object.assign(noLinks(), s.links), notes: new Map(s.notes)});

/** Numbers the footnotes and the code, and gives headings levels without gaps: #, then ### is h3, then h4.
 *  defined: the notes that there are; null while the text grows, they may yet come. */
function annotate(token: Token, state: State, defined: ReadonlySet<string> | null): void {
    walk([token], (x) => {
        if (x.type === "noteRef") {
            const ref = x as NoteRefToken;
            if (defined && !defined.has(ref.label)) return;
            ref.number = state.notes.get(ref.label) ?? state.notes.size + 1;
            state.notes.set(ref.label, ref.number);
        } else if (x.type === "heading") {
            const depth = Number(x.depth);
            state.firstHeading ||= depth;
            state.heading = Math.max(PAGE_HEADING + 1, Math.min(PAGE_HEADING + 1 + depth - state.firstHeading, state.heading + 1, 6));
            Object.assign(x, {level: state.heading});
        } else if (x.type === "code") {
            Object.assign(x, {plain: ++state.codes > CODES_MAX});
        } else if (x.type === "def") {
            const {tag, href, title} = x as {tag?: unknown; href?: unknown; title?: unknown};
            if (typeof tag === "string" && typeof href === "string") state.links[tag] ??= {href, title: String(title ?? "")};
        }
    });
}

/** A last line that may yet become anything: ‑ a rule, a list or the line below a heading. It waits for its next letter. */
const UNDECIDED = /(?:^|\n)[ \t>]*(?:[-=_*+#~`|:.)$\\[\]^<]|\d){0,12}[ \t]*$/;

/** The part of a growing text that can be shown. */
export function decided(text: string): string {
    const end = UNDECIDED.exec(text.slice(-40));
    return end ? text.slice(0, text.length - Math.min(40, text.length) + end.index) : text;
}

/** Whether a block ends before `next`, whatever comes: fenced code that anything stands behind, a heading, a rule; a paragraph at a list. */
const ended = (block: Token | undefined, next: Token): boolean =>
    block !== undefined && (block.type === "heading" || block.type === "hr" || (block.type === "code" && !("codeBlockStyle" in block)) ||
        (block.type === "paragraph" && next.type === "list"));

/** The beginning of a formula that may yet be closed, over all but an empty line. */
const mayOpen = (token: Token): boolean => token.type !== "code" && token.type !== "mathBlock" && /\$\$|\\\[|\\begin\{/.test(token.raw);

/** Where the tail can be cut: before the last token that has a whole line itself and stands behind an empty line or a block that has
 *  ended. Nothing that comes later reaches over that: a list, a table, a heading or a quote ends at or before it. */
function frozenCount(tail: string, tokens: Token[]): {count: number; length: number} {
    let best = {count: 0, length: 0};
    let at = 0;
    let open = false;
    for (const [i, token] of tokens.entries()) {
        if (!tail.startsWith(token.raw, at)) break; // marked wrote another raw than it read
        const free = /\n[ \t]*\n$/.test(tail.slice(Math.max(0, at - 200), at));
        if (free) open = false;
        if (i > 0 && token.type !== "space" && (free || (!open && ended(tokens[i - 1], token))) && tail.indexOf("\n", at) >= 0) best = {count: i, length: at};
        open ||= mayOpen(token);
        at += token.raw.length;
    }
    return best;
}

/** The settled beginning of the list or table that the tail begins with: all items but the last two (the last one may yet turn out to
 *  be a part of the one before it), all rows but the last. The tail is read without them. */
interface Settled {
    block: Tokens.List | Tokens.Table;
    /** What is settled of the tail. */
    length: number;
    /** Stands for it where it matters that it is there: an item that leaves a list loose, the head of a table. */
    before: string;
}

function settle(block: Token | undefined): Settled | null {
    const x = block as MarkedToken | undefined;
    if (x?.type === "list") {
        const items = x.items.slice(0, -2);
        const mark = /^ {0,3}(?:[*+-]|\d{1,9}[.)])[ \t]+/.exec(items.at(-1)?.raw ?? "")?.[0];
        if (mark === undefined) return null;
        const raw = items.map((item) => item.raw).join("");
        return {block: {...x, items, raw}, length: raw.length, before: x.loose ? `${mark}x\n\n` : ""};
    }
    if (x?.type === "table") {
        const lines = x.raw.split("\n");
        if (x.rows.length < 2 || lines.length !== x.rows.length + 2) return null;
        const raw = lines.slice(0, -1).map((line) => `${line}\n`).join("");
        return {block: {...x, rows: x.rows.slice(0, -1), raw}, length: raw.length, before: `${lines[0]}\n${lines[1]}\n`};
    }
    return null;
}

/** The whole block, where the tokens go on with the settled one; null: it is to be read from its beginning. */
function unsettle(s: Settled, tokens: Token[]): Token[] | null {
    const [first, ...rest] = tokens;
    const more = first as MarkedToken | undefined;
    const raw = s.block.raw + (more?.raw.slice(s.before.length) ?? "");
    if (s.block.type === "list" && more?.type === "list") {
        const items = s.before ? more.items.slice(1) : more.items;
        if (s.block.ordered !== more.ordered || s.block.loose !== more.loose || items.length === 0) return null;
        return [{...s.block, raw, items: [...s.block.items, ...items]}, ...rest];
    }
    if (s.block.type === "table" && more?.type === "table" && more.rows.length > 0) return [{...s.block, raw, rows: [...s.block.rows, ...more.rows]}, ...rest];
    return null;
}

const sameList = <T extends Token>(before: readonly Token[] | undefined, now: readonly T[], growing: boolean): T[] =>
    now.map((x, i) => reuse(before?.[i], x, growing));

const rowText = (row: Tokens.TableCell[] | undefined): string | undefined => row?.map((cell) => cell.text).join("|");

/** The old object where it is the same as the new one; in what grows, part by part. */
function reuse<T extends Token>(old: Token | undefined, fresh: T, growing: boolean): T {
    if (old === undefined || old.type !== fresh.type) return fresh;
    if (growing ? sameWords(old, fresh) : sameMeaning(old, fresh)) return old as T;
    const [a, b] = [old, fresh] as [MarkedToken, MarkedToken];
    if (a.type === "list" && b.type === "list") b.items = sameList(a.items, b.items, growing);
    else if ((a.type === "list_item" && b.type === "list_item") || (a.type === "blockquote" && b.type === "blockquote")) b.tokens = sameList(a.tokens, b.tokens, growing);
    else if (a.type === "table" && b.type === "table" && growing) b.rows = b.rows.map((row, i) => (rowText(a.rows[i]) === rowText(row) ? (a.rows[i] ?? row) : row));
    return fresh;
}

/** While a text grows, what has the same words means the same. */
const sameWords = (a: Token, b: Token): boolean => a.raw === b.raw && (a as {loose?: boolean}).loose === (b as {loose?: boolean}).loose;
const sameMeaning = (a: Token, b: Token): boolean => a.raw === b.raw && JSON.stringify(a) === JSON.stringify(b);

const shown = (token: Token): boolean => token.type !== "space" && token.type !== "def";

export class Blocks {
    private text = "";
    private frozen: Token[] = [];
    private frozenLength = 0;
    private state = newState();
    private all: Token[] = [];
    private known = new Known();
    private settled: Settled | null = null;

    /** The text as it is now; growing: more of it may come. */
    update(source: string, growing: boolean): readonly Token[] {
        const text = source.includes("\r") ? source.replace(/\r\n?/g, "\n") : source;
        if (!text.startsWith(this.text)) this.forget();
        this.text = text;
        return growing ? this.grow() : this.finish();
    }

    private forget(): void {
        this.frozen = [];
        this.frozenLength = 0;
        this.state = newState();
        this.all = [];
        this.known = new Known();
        this.settled = null;
    }

    private read(visible: string): Token[] {
        const s = this.settled;
        if (s && visible.length > s.length) {
            const whole = unsettle(s, lex(s.before + visible.slice(s.length), this.state.links, this.known));
            if (whole) return whole;
        }
        return lex(visible, this.state.links, this.known);
    }

    private grow(): readonly Token[] {
        const tail = this.text.slice(this.frozenLength);
        const visible = decided(tail);
        const tokens = this.read(visible);
        const cut = frozenCount(visible, tokens);
        if (cut.count > 0) {
            for (const token of tokens.slice(0, cut.count)) {
                annotate(token, this.state, null);
                if (shown(token)) this.frozen.push(reuse(this.all[this.frozen.length], token, true));
            }
            this.frozenLength += cut.length;
        }
        const state = copy(this.state);
        const rest = tokens.slice(cut.count);
        for (const token of rest) annotate(token, state, null);
        const before = this.all;
        const from = this.frozen.length;
        this.all = [...this.frozen, ...rest.filter(shown).map((token, i) => reuse(before[from + i], token, true))];
        const defines = Object.keys(state.links).length > Object.keys(this.state.links).length; // what later words may ask for
        this.settled = rest[0] && shown(rest[0]) && !defines ? settle(this.all[from]) : null;
        return this.all;
    }

    /** Once more from the beginning: a definition at the end may give a meaning to what stands before it. */
    private finish(): readonly Token[] {
        const tokens = lex(this.text);
        const defined = new Set(tokens.filter((x) => x.type === "note").map((x) => String((x as {label?: unknown}).label)));
        const state = newState();
        for (const token of tokens) annotate(token, state, defined);
        const before = this.all;
        this.all = tokens.filter(shown).map((token, i) => reuse(before[i], token, false));
        this.frozen = [];
        this.frozenLength = 0;
        this.state = newState();
        this.known = new Known();
        this.settled = null;
        return this.all;
    }
}

export const readAll = (text: string): readonly Token[] => new Blocks().update(text, false);
