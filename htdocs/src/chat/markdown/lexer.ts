/** Markdown as marked reads it, with GitHub's tables and tasks, mathematics and footnotes. */
import {Lexer, type Links, Marked, type MarkedExtension, type MarkedToken, type Token, Tokenizer, type Tokens} from "marked";
import {mathBlock, mathInline} from "./mathSyntax";
import {noteDefinition, noteReference} from "./footnotes";

/** Deeper than anybody writes, and far from the end of the stack. What is deeper stays text. */
const DEPTH = 24;
/** The words of a paragraph, an item or a cell that are longer than HARD are read in pieces of about SOFT. What is open where a piece
 *  could end (an emphasis, a link) is found if it ends within HARD or is one word, however long; so it is not torn. */
const SOFT = 3072;
const HARD = 4096;
const GAP = /[\s。，、；！？]/g;
/** Without a gap there are no pieces, and nothing is struck through. */
const LONGEST_STRUCK = 8000;

class Bounded extends Tokenizer {
    private depth = 0;

    private deeper<T>(read: () => T | undefined): T | undefined {
        if (this.depth >= DEPTH) return undefined;
        this.depth++;
        try {
            return read();
        } finally {
            this.depth--;
        }
    }

    override blockquote(src: string): Tokens.Blockquote | undefined {
        return this.deeper(() => super.blockquote(src));
    }
    override list(src: string): Tokens.List | undefined {
        return this.deeper(() => super.list(src));
    }
    override link(src: string): Tokens.Link | Tokens.Image | undefined {
        return this.deeper(() => super.link(src));
    }
    override reflink(src: string, links: Links): Tokens.Link | Tokens.Image | Tokens.Text | undefined {
        return this.deeper(() => super.reflink(src, links));
    }
    override emStrong(src: string, masked: string, before?: string): Tokens.Em | Tokens.Strong | undefined {
        return this.deeper(() => super.emStrong(src, masked, before));
    }
    override del(src: string, masked: string, before?: string): Tokens.Del | undefined {
        // marked looks from each ~ to the paragraph's end
        return masked.length > LONGEST_STRUCK ? undefined : this.deeper(() => super.del(src, masked, before));
    }
}

const extension: MarkedExtension = {extensions: [mathBlock, mathInline, noteDefinition, noteReference]};
// Models break lines where they mean it: poems, addresses.
const marked = new Marked({gfm: true, breaks: true}, extension);

export type {Links};
export const noLinks = (): Links => Object.create(null) as Links;

/** A piece of the words of a long paragraph. */
export interface PieceToken extends Tokens.Generic {
    type: "piece";
    tokens: Token[];
}

/** The first gap from `from` on, or the last one before it; 0: there is none. */
function gapAfter(text: string, from: number): number {
    GAP.lastIndex = from;
    return GAP.test(text) ? GAP.lastIndex : 0;
}
function gapBefore(text: string, to: number): number {
    for (let at = to; at > 0; at--) if (text.slice(at - 1, at).search(GAP) === 0) return at;
    return 0;
}

/** Tokens as far as SOFT: best to the end of a line, else to that of a word, else to that of a token. */
function firstPiece(tokens: readonly Token[]): readonly Token[] {
    let line = 0;
    let at = 0;
    for (const [i, x] of tokens.entries()) {
        if (at + x.raw.length > SOFT) {
            if (line > 0) return tokens.slice(0, line);
            const end = x.type === "text" && x.raw === x.text ? gapBefore(x.raw, SOFT - at) : 0;
            if (end > 0) return [...tokens.slice(0, i), {...x, raw: x.raw.slice(0, end), text: x.raw.slice(0, end)}];
            return tokens.slice(0, i + 1);
        }
        at += x.raw.length;
        if (x.type === "br") line = i + 1;
    }
    return tokens;
}

/** Words that were read before, and what they mean: what is the same is not read again. Kept from one reading of a text to the next. */
export class Known {
    private old = new Map<string, Token[]>();
    private now = new Map<string, Token[]>();
    private links = "";

    /** Before each reading: with other definitions the same words may mean another thing. */
    begin(links: Links): void {
        const all = JSON.stringify(links);
        this.old = all === this.links ? this.now : new Map();
        this.now = new Map();
        this.links = all;
    }
    get(words: string, read: () => Token[]): Token[] {
        const tokens = this.now.get(words) ?? this.old.get(words) ?? read();
        this.now.set(words, tokens);
        return tokens;
    }
}

class Reader extends Lexer {
    constructor(private readonly known: Known) {
        super({...marked.defaults, tokenizer: new Bounded()});
    }

    override lex(text: string): Lexer["tokens"] {
        this.blockTokens(text, this.tokens);
        this.known.begin(this.tokens.links);
        for (const {src, tokens} of this.inlineQueue) {
            for (const x of src.length > HARD ? this.pieces(src) : this.words(src)) tokens.push(x);
        }
        this.inlineQueue = [];
        return this.tokens;
    }

    private words(src: string): Token[] {
        return this.known.get(src, () => {
            this.state.inRawBlock = this.state.inLink = false; // what a tag in other words left open
            return this.inlineTokens(src);
        });
    }

    private pieces(src: string): Token[] {
        const out: Token[] = [];
        for (let at = 0; at < src.length; ) {
            const end = gapAfter(src, at + HARD);
            const words = src.slice(at, end || undefined);
            const [piece] = this.known.get(`${end > 0}\0${words}`, () => {
                const all = this.words(words);
                const tokens = end > 0 ? firstPiece(all) : all;
                return [{type: "piece", raw: tokens.map((x) => x.raw).join(""), tokens: [...tokens]}];
            });
            if (!piece) break;
            out.push(piece);
            at += piece.raw.length;
        }
        return out;
    }
}

/** Where marked gives up, the text is shown as it is. */
export function lex(text: string, links: Links = noLinks(), known = new Known()): Token[] {
    const lexer = new Reader(known);
    Object.assign(lexer.tokens.links, links);
    try {
        return [...lexer.lex(text)];
    } catch {
        return [{type: "plain", raw: text, text}];
    }
}

/** Every token in the order of the text, containers before what they hold. */
export function walk(tokens: readonly Token[], visit: (token: Token) => void): void {
    for (const token of tokens) {
        visit(token);
        for (const inner of inside(token)) walk(inner, visit);
    }
}

function inside(token: Token): Token[][] {
    const known = token as MarkedToken;
    if (known.type === "list") return known.items.map((item) => item.tokens);
    if (known.type === "table") return [known.header, ...known.rows].flatMap((row) => row.map((cell) => cell.tokens));
    return "tokens" in token && token.tokens ? [token.tokens] : [];
}
