/** The colours of code that may still grow. It is coloured and drawn in chunks: what is settled is not looked at again,
 *  so that neither highlight.js nor the layout ever has more than a chunk to do at once. */
import {useEffect, useRef, useState} from "preact/hooks";
import {HIGHLIGHT_MAX, type Part, highlight} from "./highlight";

export interface ChunkOfCode {
    text: string;
    parts: Part[] | null;
}

const CHUNK = 4096;
/** What highlight.js is given at once: a chunk, and enough behind it to find a good end. */
const WINDOW = 2 * CHUNK;
/** Code that grows gets its colours again no sooner than this; and than SHARE times what they cost. */
const EVERY_MS = 250;
const SHARE = 10;

const length = (parts: Part[]): number => parts.reduce((n, p) => n + (typeof p === "string" ? p.length : length(p.parts)), 0);

/** Where a chunk ends: behind a line that no string and no comment reaches over, best before one that is not indented.
 *  all: nothing more comes into this window, so that some end has to be found. -1: there is none yet. */
export function chunkEnd(text: string, parts: Part[] | null, all: boolean): number {
    let second = -1;
    let at = 0;
    for (const p of parts ?? [text]) {
        if (typeof p !== "string") {
            at += length([p]);
            continue;
        }
        for (let i = p.indexOf("\n", Math.max(0, CHUNK - at)); i >= 0; i = p.indexOf("\n", i + 1)) {
            const end = at + i + 1;
            if (/\S/.test(text[end] ?? "") || (parts === null && end < text.length)) return end;
            if (second < 0) second = end;
        }
        at += p.length;
    }
    if (!all) return -1;
    return second > 0 ? second : text.length;
}

/** parts, as far as end, and the rest. A chunk never ends in a scope, unless its window does. */
export function cutParts(parts: Part[], end: number): [Part[], Part[]] {
    const before: Part[] = [];
    for (let i = 0, at = 0; i < parts.length; i++) {
        const p = parts[i];
        if (p === undefined) break;
        const size = length([p]);
        if (at + size > end) {
            if (typeof p !== "string") return [before, parts.slice(i)];
            const head = p.slice(0, end - at);
            return [head ? [...before, head] : before, [p.slice(end - at), ...parts.slice(i + 1)]];
        }
        before.push(p);
        at += size;
    }
    return [before, []];
}

class Colouring {
    chunks: readonly ChunkOfCode[] = [];
    tail: Part[] | null = null;
    tailText = "";
    seen = "";
    settled = 0;
    plain: boolean;
    constructor(readonly language: string) {
        this.plain = language === "";
    }

    follows(text: string, language: string): boolean {
        return language === this.language && text.startsWith(this.seen);
    }

    /** Takes in a window of the text from settled on, with its colours; whether a chunk was settled. */
    take(text: string, parts: Part[] | null, all: boolean): boolean {
        const end = chunkEnd(text, parts, all);
        if (end <= 0) {
            this.tail = parts;
            this.tailText = parts ? text : "";
            return false;
        }
        const [head, rest] = parts ? cutParts(parts, end) : [null, null];
        this.chunks = [...this.chunks, {text: text.slice(0, end), parts: head}];
        this.settled += end;
        this.tail = rest;
        this.tailText = rest ? text.slice(end) : "";
        return true;
    }

    /** Without colours, chunks are made at once. Behind the longest code that is coloured there are none. */
    takePlain(): void {
        if (!this.plain && this.seen.length > HIGHLIGHT_MAX && this.settled + this.tailText.length >= HIGHLIGHT_MAX) {
            this.plain = true;
            if (this.tailText) this.take(this.tailText, this.tail, true);
        }
        if (!this.plain) return;
        while (this.seen.length - this.settled > CHUNK && this.take(this.seen.slice(this.settled, this.settled + WINDOW), null, false));
    }

    get window(): string {
        return this.seen.slice(this.settled, Math.min(this.settled + WINDOW, HIGHLIGHT_MAX));
    }
}

/** What is settled, the coloured beginning of what is not, and what has no colours yet. */
export function useColours(text: string, language: string): {chunks: readonly ChunkOfCode[]; tail: Part[] | null; rest: string} {
    const ref = useRef<Colouring>(null);
    const busy = useRef(false);
    const gone = useRef(false);
    const next = useRef(0);
    const [, tick] = useState(0);
    if (!ref.current?.follows(text, language)) ref.current = new Colouring(language);
    const c = ref.current;
    c.seen = text;
    c.takePlain();

    useEffect(() => () => void (gone.current = true), []);
    useEffect(() => {
        if (c.plain || busy.current || c.window === c.tailText) return;
        busy.current = true;
        const run = async () => {
            let began = performance.now();
            let now: Colouring = c;
            let window = "";
            const parts = await highlight(() => {
                began = performance.now();
                now = ref.current ?? c;
                window = now.window;
                return gone.current ? null : window;
            }, language).catch(() => null); // it cannot be loaded now: the code stands there without colours
            busy.current = false;
            if (gone.current) return;
            if (parts === null) now.plain = true;
            const settled = parts !== null && now.take(window, parts, window.length === WINDOW);
            next.current = settled ? 0 : performance.now() + Math.max(EVERY_MS, (performance.now() - began) * SHARE);
            tick((n) => n + 1); // what has come since is seen then
        };
        setTimeout(() => void run(), Math.max(0, next.current - performance.now()));
    });
    return {chunks: c.chunks, tail: c.tail, rest: text.slice(c.settled + c.tailText.length)};
}
