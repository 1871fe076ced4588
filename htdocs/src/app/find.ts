/** What the palette finds, and in which order. Pure. */

/** Words as they are compared. */
export const wordsOf = (text: string): string[] => [...new Set(text.toLocaleLowerCase().split(/\s+/).filter(Boolean))].slice(0, 8);

/** 0: not found. More is better: the whole begins so, a word does, it is somewhere. */
export function rank(text: string, words: readonly string[]): number {
    const lower = text.toLocaleLowerCase();
    let least = 3;
    for (const w of words) {
        const at = lower.indexOf(w);
        if (at < 0) return 0;
        least = Math.min(least, at === 0 ? 3 : lower.includes(` ${w}`) ? 2 : 1);
    }
    return least;
}

/** The best first; of equals the order stays. */
export function best<T>(all: readonly T[], text: (x: T) => string, words: readonly string[], limit: number): T[] {
    return all
        .map((x) => ({x, n: rank(text(x), words)}))
        .filter((x) => x.n > 0)
        .sort((a, b) => b.n - a.n)
        .slice(0, limit)
        .map((x) => x.x);
}

export interface Piece {
    text: string;
    hit: boolean;
}

const escape = (w: string) => w.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

/** text in pieces, of which some are the words. */
export function mark(text: string, words: readonly string[]): Piece[] {
    if (words.length === 0 || text === "") return text === "" ? [] : [{text, hit: false}];
    const longFirst = [...words].sort((a, b) => b.length - a.length).map(escape);
    const out: Piece[] = [];
    let at = 0;
    for (const m of text.matchAll(new RegExp(longFirst.join("|"), "gi"))) {
        if (m.index > at) out.push({text: text.slice(at, m.index), hit: false});
        out.push({text: m[0], hit: true});
        at = m.index + m[0].length;
    }
    if (at < text.length) out.push({text: text.slice(at), hit: false});
    return out;
}

const BEFORE = 30;
const LENGTH = 140;

/** A line of text around the longest word, which says most, with all hits marked. */
export function excerpt(text: string, words: readonly string[]): Piece[] {
    const lower = text.toLocaleLowerCase();
    const longest = words.reduce((a, b) => (b.length > a.length ? b : a), "");
    const first = Math.max(0, lower.indexOf(longest));
    let from = Math.max(0, first - BEFORE);
    if (from > 0) {
        const space = text.slice(from, first).search(/\s/);
        if (space >= 0) from += space + 1;
    }
    const piece = text.slice(from, from + LENGTH).replace(/[\ud800-\udbff]$|^[\udc00-\udfff]/, "").replace(/\s+/g, " ").trim();
    return mark(`${from > 0 ? "…" : ""}${piece}${from + LENGTH < text.length ? "…" : ""}`, words);
}
