/** Blocks as elements. Every element is made here by its name, and every word of the answer becomes text:
 *  there is no way from an answer to HTML that is parsed. */
import type {MarkedToken, Token, Tokens} from "marked";
import type {ComponentChildren, VNode} from "preact";
import {createElement} from "preact";
import {t} from "../../i18n";
import {Code} from "./code";
import {decode} from "./entities";
import type {NoteRefToken, NoteToken} from "./footnotes";
import {type Piece, type Tagged, isTagged, nest} from "./html";
import type {PieceToken} from "./lexer";
import {LinkTo, Picture} from "./links";
import {Mathematics} from "./math";
import type {MathToken} from "./mathSyntax";
import {NoteRef} from "./notes";
import {Scroller} from "./Scroller";
import {memo} from "./memo";

/** Where something stands: as a block of the text, inside of another element, or in a link, which holds no link. */
type Place = "top" | "inside" | "link";
const within = (place: Place): Place => (place === "link" ? "link" : "inside");

// A block finds its direction by its first letters; what is inside of it follows by the style sheet.
const dir = (place: Place): {dir?: "auto"} => (place === "top" ? {dir: "auto"} : {});

const className = (name: string | false | null): {class?: string} => (name ? {class: name} : {});

function Pieces({tokens, place}: {tokens: readonly Token[]; place: Place}): VNode {
    return <>{pieces(nest(tokens), place)}</>;
}

const pieces = (list: readonly Piece[], place: Place): ComponentChildren =>
    list.map((p, i) => (isTagged(p) ? <Html key={i} e={p} place={place} /> : <One key={i} token={p} place={place} />));

/** The same token is the same view. */
const One = memo(({token, place}: {token: Token; place: Place}) => <>{one(token, place)}</>);

const inline = (tokens: readonly Token[] | undefined, place: Place): ComponentChildren => nest(tokens ?? []).map((p) =>
    isTagged(p) ? <Html e={p} place={within(place)} /> : one(p, within(place)));

/** One of a long paragraph. One that ends its line is a box of its own: the layout of the others does not depend on it. */
const Piece = memo(({tokens, place}: {tokens: readonly Token[]; place: Place}) => (
    <span {...className(tokens.at(-1)?.type === "br" && "md-piece")}>{inline(tokens, place)}</span>
));

function own(token: Token, place: Place): ComponentChildren | undefined {
    switch (token.type) {
        case "math":
        case "mathBlock": {
            const m = token as MathToken;
            return <Mathematics tex={m.tex} display={m.display} source={m.raw.trim()} />;
        }
        case "noteRef":
            return <NoteRef token={token as NoteRefToken} />;
        case "note": {
            // those of the text itself are gathered at its end; this one is in a quote or a list
            const n = token as NoteToken;
            return place === "top" ? null : <Pieces tokens={n.tokens} place={place} />;
        }
        case "raw": {
            const text = String((token as Tokens.Generic).text);
            return place === "top" && text.trim() !== "" ? <p class="md-raw" dir="auto">{text.trim()}</p> : text;
        }
        case "piece":
            return <Piece tokens={(token as PieceToken).tokens} place={place} />;
        case "plain":
            return <p class="md-raw" dir="auto">{token.raw}</p>;
        default:
            return undefined;
    }
}

function one(token: Token, place: Place): ComponentChildren {
    const mine = own(token, place);
    if (mine !== undefined) return mine;
    const x = token as MarkedToken;
    switch (x.type) {
        case "paragraph":
            return <p {...dir(place)}>{inline(x.tokens, place)}</p>;
        case "text":
            return x.tokens ? inline(x.tokens, place) : decode(x.text);
        case "heading":
            return heading(x, place);
        case "list":
            return list(x, place);
        case "code":
            if ((x as Tokens.Code & {plain?: boolean}).plain) return <pre class="md-plain" dir="ltr"><code>{x.text.replace(/\n$/, "")}</code></pre>;
            return <Code text={x.text.replace(/\n$/, "")} lang={x.lang ?? ""} />;
        case "blockquote":
            return <blockquote {...dir(place)}><Pieces tokens={x.tokens} place="inside" /></blockquote>;
        case "table":
            return table(x);
        case "hr":
            return <hr />;
        case "br":
            return <br />;
        case "strong":
            return <strong>{inline(x.tokens, place)}</strong>;
        case "em":
            return <em>{inline(x.tokens, place)}</em>;
        case "del":
            return <del>{inline(x.tokens, place)}</del>;
        case "codespan":
            return <code>{x.text}</code>;
        case "escape":
            return x.text;
        case "checkbox":
            return <input type="checkbox" checked={x.checked} disabled aria-label={t(x.checked ? "md.done" : "md.open")} />;
        case "link":
            return link(x, place);
        case "image":
            return <Picture src={decode(x.href)} alt={decode(x.text)} link={place !== "link"} />;
        default:
            return null; // space, definitions; html was taken by nest()
    }
}

function link(x: Tokens.Link, place: Place): ComponentChildren {
    const text = x.autolink ? x.text : inline(x.tokens, "link");
    return place === "link" ? text : <LinkTo href={x.autolink ? x.href : decode(x.href)}>{text}</LinkTo>;
}

function heading(x: Tokens.Heading, place: Place): VNode {
    const level = Number((x as Tokens.Heading & {level?: number}).level ?? 3);
    return createElement(`h${level}`, {...dir(place), class: `md-h${x.depth}`}, inline(x.tokens, place));
}

function list(x: Tokens.List, place: Place): VNode {
    const items = x.items.map((item, i) => <Item key={i} item={item} />);
    if (!x.ordered) return <ul {...dir(place)} {...className(x.loose && "md-loose")}>{items}</ul>;
    return <ol {...dir(place)} {...className(x.loose && "md-loose")} {...(x.start === 1 || x.start === "" ? {} : {start: x.start})}>{items}</ol>;
}

const Item = memo(({item}: {item: Tokens.ListItem}) => (
    <li {...className(item.task && "md-task")}><Pieces tokens={item.tokens} place="inside" /></li>
));

const ALIGN = {left: "md-left", center: "md-center", right: "md-right"};
/** A cell with more letters than this is not squeezed into a column of single words. */
const LONG_CELL = 24;
/** A head with more than this has a line or two, not one for each word. */
const LONG_HEAD = 11;

const width = (letters: number, Tag: "th" | "td") => (letters > LONG_CELL ? "md-long" : Tag === "th" && letters > LONG_HEAD && "md-head");

const Row = memo(({row, Tag}: {row: Tokens.TableCell[]; Tag: "th" | "td"}) => (
    <tr>
        {row.map((c, i) => (
            <Tag key={i} dir="auto" {...className([c.align && ALIGN[c.align], width(c.text.length, Tag)].filter(Boolean).join(" "))} {...(Tag === "th" ? {scope: "col"} : {})}>
                {inline(c.tokens, "inside")}
            </Tag>
        ))}
    </tr>
));

function table(x: Tokens.Table): VNode {
    return (
        <Scroller class="md-table" label={t("md.table")}>
            <table>
                <thead><Row row={x.header} Tag="th" /></thead>
                {x.rows.length > 0 && <tbody>{x.rows.map((row, i) => <Row key={i} row={row} Tag="td" />)}</tbody>}
            </table>
        </Scroller>
    );
}

/** Headings that are written in HTML have looks alone: their levels would tear the page's order. */
const AS: Record<string, string> = {h1: "md-h1", h2: "md-h2", h3: "md-h3", h4: "md-h4", h5: "md-h5", h6: "md-h6"};

function Html({e, place}: {e: Tagged; place: Place}): ComponentChildren {
    const children = pieces(e.children, e.tag === "a" ? "link" : within(place));
    if (e.tag === "a") return place === "link" ? children : <LinkTo href={e.url}>{children}</LinkTo>;
    if (e.tag === "img") return <Picture src={e.url} alt={e.alt} link={place !== "link"} />;
    const looks = AS[e.tag];
    if (looks !== undefined) return <p class={looks}>{children}</p>;
    if (e.tag === "details") return <details open={e.open}>{children}</details>;
    if (e.tag === "table") return <Scroller class="md-table" label={t("md.table")}><table>{children}</table></Scroller>;
    return createElement(e.tag, null, children);
}

export const Whole = ({tokens}: {tokens: readonly Token[]}): VNode => <Pieces tokens={tokens} place="top" />;
