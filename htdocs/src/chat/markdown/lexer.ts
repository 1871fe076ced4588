/** Markdown as marked reads it, with GitHub's tables and tasks, mathematics and footnotes. */
import {Lexer, type Links, Marked, type MarkedExtension, type MarkedToken, type Token, Tokenizer, type Tokens} from "marked";
import {mathBlock, mathInline} from "./mathSyntax";
import {noteDefinition, noteReference} from "./footnotes";

/** Deeper than anybody writes, and far from the end of the stack. What is deeper stays text. */
const DEPTH = 24;
/** A paragraph that is longer has nothing struck through. */
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

/** Where marked gives up, the text is shown as it is. */
export function lex(text: string, links: Links = noLinks()): Token[] {
    const lexer = new Lexer({...marked.defaults, tokenizer: new Bounded()});
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
