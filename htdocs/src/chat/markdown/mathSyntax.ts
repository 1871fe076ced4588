/** Mathematics in text: $…$, $$…$$, \(…\), \[…\] and \begin{…}…\end{…}. Never over an empty line, as in TeX itself. */
import type {TokenizerAndRendererExtension, Tokens} from "marked";

export interface MathToken extends Tokens.Generic {
    type: "math" | "mathBlock";
    tex: string;
    display: boolean;
}

const LONGEST = 8000;
const EMPTY_LINE = /\n[ \t]*\n/;

/** Where the closing mark stands that no backslash takes; -1: nowhere. */
function closing(src: string, from: number, mark: string): number {
    for (let at = src.indexOf(mark, from); at >= 0; at = src.indexOf(mark, at + 1)) {
        let slashes = 0;
        while (src[at - 1 - slashes] === "\\") slashes++;
        if (slashes % 2 === 0) return at;
    }
    return -1;
}

function between(src: string, open: string, close: string): {raw: string; tex: string} | undefined {
    const end = closing(src.slice(0, LONGEST), open.length, close);
    const tex = end < 0 ? "" : src.slice(open.length, end).trim();
    return tex && !EMPTY_LINE.test(src.slice(0, end)) ? {raw: src.slice(0, end + close.length), tex} : undefined;
}

/** Pandoc's rule, so that prices stay prices: no space inside of the dollars, no digit after them.
 *  A letter after them is a path ($HOME/$USER), unless it makes an ordinal or a plural. */
function dollars(src: string): {raw: string; tex: string} | undefined {
    if (/^\$\s/.test(src)) return undefined;
    const found = between(src, "$", "$");
    if (!found) return undefined;
    const rest = src.slice(found.raw.length);
    if (/\s\$$/.test(found.raw) || /^[\d$]/.test(rest)) return undefined;
    return /^\p{L}/u.test(rest) && !/^(?:th|st|nd|rd|s|d)(?!\p{L})/u.test(rest) ? undefined : found;
}

const token = (type: MathToken["type"], display: boolean, found: {raw: string; tex: string} | undefined): MathToken | undefined =>
    found && {type, display, raw: found.raw, tex: found.tex};

export const mathInline: TokenizerAndRendererExtension = {
    name: "math",
    level: "inline",
    start: (src) => {
        const at = src.indexOf("$");
        return at < 0 ? undefined : at;
    },
    tokenizer(src, tokens) {
        if (src.startsWith("\\(")) return token("math", false, between(src, "\\(", "\\)"));
        if (src.startsWith("\\[")) return token("math", true, between(src, "\\[", "\\]"));
        if (src[0] !== "$" || /[\p{L}\p{N}$]$/u.test(tokens.at(-1)?.raw.slice(-2) ?? "")) return undefined;
        return src[1] === "$" ? token("math", true, between(src, "$$", "$$")) : token("math", false, dollars(src));
    },
};

const ENVIRONMENT = /^\\begin\{((?:equation|align|alignat|gather|multline|eqnarray|split|cases|matrix|[pbBvV]matrix|array|aligned|gathered)\*?)\}/;
const END_OF_LINE = /^[ \t]*[.,;]?[ \t]*(?:\n|$)/;

/** On lines of its own, where a line may begin with what else makes a list, a quote or a heading. */
function ownLines(src: string): {raw: string; tex: string} | undefined {
    const indent = /^ {0,3}(?=\$\$|\\\[|\\begin\{)/.exec(src)?.[0];
    if (indent === undefined) return undefined;
    const body = src.slice(indent.length);
    let found: {raw: string; tex: string} | undefined;
    if (body.startsWith("$$")) found = between(body, "$$", "$$");
    else if (body.startsWith("\\[")) found = between(body, "\\[", "\\]");
    else {
        const name = ENVIRONMENT.exec(body)?.[1];
        const end = name === undefined ? -1 : body.slice(0, LONGEST).indexOf(`\\end{${name}}`);
        if (name !== undefined && end >= 0 && !EMPTY_LINE.test(body.slice(0, end))) {
            const raw = body.slice(0, end + name.length + 6);
            found = {raw, tex: raw};
        }
    }
    if (!found) return undefined;
    const after = END_OF_LINE.exec(body.slice(found.raw.length, found.raw.length + 100));
    return after ? {raw: indent + found.raw + after[0], tex: found.tex} : undefined;
}

const LINE_START = /\n(?= {0,3}(?:\$\$|\\\[|\\begin\{))/g;

export const mathBlock: TokenizerAndRendererExtension = {
    name: "mathBlock",
    level: "block",
    // Only where there is a formula: a paragraph cut in vain at each of its lines costs the square of its length.
    start: (src) => {
        const end = src.indexOf("\n\n");
        for (const m of (end < 0 ? src : src.slice(0, end)).matchAll(LINE_START)) {
            if (ownLines(src.slice(m.index + 1, m.index + 1 + LONGEST))) return m.index + 1;
        }
        return undefined;
    },
    tokenizer: (src) => token("mathBlock", true, ownLines(src.slice(0, LONGEST))),
};
