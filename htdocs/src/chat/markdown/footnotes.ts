/** Footnotes as GitHub has them: [^a] in the text, [^a]: on a line of its own.
 *  They keep no state between two texts, so that a text can be read while it grows. */
import type {Token, TokenizerAndRendererExtension, Tokens} from "marked";

export interface NoteToken extends Tokens.Generic {
    type: "note";
    label: string;
    tokens: Token[];
}
export interface NoteRefToken extends Tokens.Generic {
    type: "noteRef";
    label: string;
    /** Its place in the order of first use; 0: there is no such note. */
    number: number;
}

const REFERENCE = /^\[\^([^\]\s]{1,100})\]/;
const DEFINITION = /^ {0,3}\[\^([^\]\s]{1,100})\]:[ \t]*/;
const OTHER_BLOCK = /^ {0,3}(?:\[\^|#{1,6}\s|>|```|~~~|[-*+]\s|\d+[.)]\s|\||\$\$|<)/;

/** The lines of a note: what follows it at once, and what is indented below it. */
function lines(src: string): {raw: string; text: string} {
    let raw = "";
    let text = "";
    let blank = "";
    for (let at = 0, first = true; at < src.length; first = false) {
        const end = src.indexOf("\n", at);
        const line = end < 0 ? src.slice(at) : src.slice(at, end + 1);
        at += line.length;
        const indent = /^(?: {2,4}|\t)/.exec(line)?.[0];
        if (line.trim() === "") {
            if (first) raw += line;
            else blank += line;
            if (first) text += line;
            continue;
        }
        if (!first && indent === undefined && (blank !== "" || OTHER_BLOCK.test(line))) break;
        raw += blank + line;
        text += blank + (first ? line : line.slice(indent?.length ?? 0));
        blank = "";
    }
    return {raw, text};
}

/** A note holds no notes: thousands of them in one line would end the stack. */
let inside = false;

export const noteDefinition: TokenizerAndRendererExtension = {
    name: "note",
    level: "block",
    childTokens: ["tokens"],
    start: (src) => {
        const end = src.indexOf("\n\n");
        const at = /\n {0,3}\[\^[^\]\s]{1,100}\]:/.exec(end < 0 ? src : src.slice(0, end))?.index;
        return at === undefined ? undefined : at + 1;
    },
    tokenizer(src): NoteToken | undefined {
        const head = inside ? null : DEFINITION.exec(src);
        if (!head) return undefined;
        const {raw, text} = lines(src.slice(head[0].length));
        inside = true;
        try {
            return {type: "note", raw: head[0] + raw, label: head[1] ?? "", tokens: this.lexer.blockTokens(text, [])};
        } finally {
            inside = false;
        }
    },
};

export const noteReference: TokenizerAndRendererExtension = {
    name: "noteRef",
    level: "inline",
    tokenizer(src): NoteRefToken | undefined {
        const label = REFERENCE.exec(src)?.[1];
        return label === undefined ? undefined : {type: "noteRef", raw: `[^${label}]`, label, number: 0};
    },
};
