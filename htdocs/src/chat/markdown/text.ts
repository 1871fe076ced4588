/** An answer as plain text, for screen readers and titles: its words without its marks. */
import type {MarkedToken, Token} from "marked";
import {decode} from "./entities";
import {type PieceToken, lex} from "./lexer";

export function renderToText(text: string): string {
    return blocks(lex(text)).replace(/\n{3,}/g, "\n\n").trim();
}

const blocks = (tokens: readonly Token[]): string => tokens.map(block).join("");
const inline = (tokens: readonly Token[] | undefined): string => (tokens ?? []).map(block).join("");

function block(token: Token): string {
    const x = token as MarkedToken;
    switch (x.type) {
        case "paragraph":
        case "heading":
            return `${inline(x.tokens)}\n\n`;
        case "text":
            return x.tokens ? `${inline(x.tokens)}\n` : decode(x.text);
        case "list":
            return `${x.items.map((item, i) => `${x.ordered ? `${Number(x.start) + i}. ` : "• "}${blocks(item.tokens).trim()}`).join("\n")}\n\n`;
        case "blockquote":
            return blocks(x.tokens);
        case "table":
            return `${[x.header, ...x.rows].map((row) => row.map((cell) => inline(cell.tokens)).join(", ")).join("\n")}\n\n`;
        case "code":
            return `${x.text}\n\n`;
        case "codespan":
        case "escape":
            return x.text;
        case "strong":
        case "em":
        case "del":
            return inline(x.tokens);
        case "link":
            return x.autolink ? x.text : inline(x.tokens);
        case "image":
            return decode(x.text);
        case "br":
            return "\n";
        case "html":
            return decode(x.raw.replace(/<!--[\s\S]*?(?:-->|$)/g, "").replace(/<\/?[a-zA-Z][^<>]*>/g, " "));
        case "space":
        case "def":
        case "hr":
        case "checkbox":
            return "";
        default:
            return other(token);
    }
}

function other(token: Token): string {
    if (token.type === "math" || token.type === "mathBlock") return String((token as {tex?: unknown}).tex ?? "");
    if (token.type === "piece") return inline((token as PieceToken).tokens);
    return token.type === "plain" ? token.raw : "";
}
