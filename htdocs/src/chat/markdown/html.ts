/** HTML that stands in an answer. No parser of HTML ever sees it: tags from a short list, without their attributes,
 *  become elements of the same name; comments go; every other tag is shown as the text it is. */
import type {Token} from "marked";
import {decode} from "./entities";

/** Tags that models write for their looks. */
const TAGS = new Set(
    ("b i em strong u s del ins mark small sub sup kbd samp var code q cite abbr dfn br wbr hr details summary p div span blockquote " +
        "ul ol li dl dt dd table thead tbody tfoot tr th td caption pre h1 h2 h3 h4 h5 h6 figure figcaption ruby rt rp a img").split(" "),
);
const VOID = new Set(["br", "wbr", "hr", "img"]);
const DEPTH = 24;

export interface Tagged {
    type: "element";
    tag: string;
    /** The three attributes that anybody reads: an address, what an image shows, whether details are open. */
    url: string;
    alt: string;
    open: boolean;
    /** Its end tag has not come. */
    unclosed: boolean;
    children: Piece[];
}
export type Piece = Token | Tagged;
export const isTagged = (p: Piece): p is Tagged => p.type === "element";

const TAG = /<!--[\s\S]*?(?:-->|$)|<(\/?)([a-zA-Z][a-zA-Z0-9]*)((?:\s+[^\s"'<>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'=<>`]+))?)*)\s*\/?>/g;

function attribute(attributes: string, name: string): string {
    const found = new RegExp(`\\s${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s"'<>\`]+))`, "i").exec(attributes);
    return decode(found?.[1] ?? found?.[2] ?? found?.[3] ?? "");
}

function element(tag: string, attributes: string): Tagged {
    return {
        type: "element", tag, url: attribute(attributes, tag === "img" ? "src" : "href"), alt: attribute(attributes, "alt"),
        open: /\sopen(?:[\s=]|$)/i.test(attributes), unclosed: false, children: [],
    };
}

/** Puts what stands between two tags into an element. An end tag without a beginning goes; what was not ended ends with the text. */
class Nest {
    readonly roots: Piece[] = [];
    private readonly open: Tagged[] = [];

    add(piece: Piece): void {
        (this.open.at(-1)?.children ?? this.roots).push(piece);
    }

    html(source: string): void {
        let at = 0;
        for (const m of source.matchAll(TAG)) {
            const [whole, slash, name, attributes = ""] = m;
            const tag = name?.toLowerCase();
            if (tag !== undefined && !TAGS.has(tag)) continue;
            this.text(source.slice(at, m.index));
            at = m.index + whole.length;
            if (tag === undefined) continue; // a comment
            if (slash) this.end(tag);
            else this.begin(element(tag, attributes));
        }
        this.text(source.slice(at));
    }

    private text(text: string): void {
        if (text) this.add({type: "raw", raw: text, text: decode(text)});
    }

    private begin(e: Tagged): void {
        this.add(e);
        if (!VOID.has(e.tag) && this.open.length < DEPTH) this.open.push(e);
    }

    private end(tag: string): void {
        const at = this.open.findLastIndex((e) => e.tag === tag);
        if (at >= 0) this.open.length = at;
    }

    finish(): Piece[] {
        for (const e of this.open) e.unclosed = true;
        return this.roots;
    }
}

/** Siblings, with the HTML among them made to elements. */
export function nest(tokens: readonly Token[]): readonly Piece[] {
    if (!tokens.some((x) => x.type === "html")) return tokens;
    const n = new Nest();
    for (const x of tokens) {
        if (x.type === "html") n.html(x.raw);
        else n.add(x);
    }
    return n.finish();
}
