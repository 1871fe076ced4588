/** TeX as MathML: by KaTeX, through DOMPurify, into the page. A part of the page that is loaded with the first formula. */
import DOMPurify from "dompurify";
import katex from "katex";
import {letters} from "./mathLetters";

const LONGEST = 8000;

const purify = {
    ALLOWED_TAGS: ("#text span math semantics mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover " +
        "mmultiscripts mtable mtr mlabeledtr mtd mstyle mpadded mphantom menclose").split(" "),
    ALLOWED_ATTR: ("accent accentunder columnalign columnlines columnspacing depth display displaystyle fence height largeop linethickness " +
        "lspace mathbackground mathcolor mathsize mathvariant maxsize minsize notation rowlines rowspacing rspace scriptlevel separator " +
        "stretchy voffset width").split(" "),
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    KEEP_CONTENT: false, // the TeX source that KaTeX puts beside it goes with its element
    RETURN_DOM_FRAGMENT: true,
} as const;

/** null: KaTeX cannot read it. */
export function draw(tex: string, display: boolean): Element | null {
    if (tex.length > LONGEST) return null;
    let html: string;
    try {
        html = katex.renderToString(tex, {
            output: "mathml", displayMode: display, throwOnError: true, trust: false, strict: "ignore", maxSize: 20, maxExpand: 200,
        });
    } catch {
        return null; // not TeX, or deeper than the stack
    }
    const math = DOMPurify.sanitize(html, {...purify, ALLOWED_TAGS: [...purify.ALLOWED_TAGS], ALLOWED_ATTR: [...purify.ALLOWED_ATTR]})
        .querySelector("math");
    if (math) {
        letters(math);
        tables(math);
        functions(math);
    }
    return math;
}

/** Browsers know the tables of MathML Core, which have neither columnalign nor lines: these become classes. */
function tables(math: Element): void {
    for (const table of math.querySelectorAll("mtable")) {
        const list = (name: string) => (table.getAttribute(name) ?? "").split(" ");
        const align = list("columnalign");
        const space = list("columnspacing");
        const lines = list("columnlines");
        const rowLines = list("rowlines");
        const at = (words: string[], i: number) => words[Math.min(i, words.length - 1)] ?? "";
        [...table.children].forEach((row, r) =>
            [...row.children].forEach((cell, c) => {
                cell.classList.add(`mt-${["left", "right"].find((x) => x === at(align, c)) ?? "center"}`);
                if (at(space, c) === "0em") cell.classList.add("mt-join");
                if (c > 0 && at(space, c - 1) === "0em") cell.classList.add("mt-joined");
                if (c > 0 && /solid|dashed/.test(at(lines, c - 1))) cell.classList.add("mt-line");
                if (r > 0 && /solid|dashed/.test(at(rowLines, r - 1))) cell.classList.add("mt-rowline");
            }),
        );
    }
}

/** "n log n": KaTeX writes an invisible function application behind a function's name, which browsers give no room. */
function functions(math: Element): void {
    for (const mo of math.querySelectorAll("mo")) {
        const name = mo.textContent === "\u2061" ? mo.previousElementSibling : null;
        if (!name) continue;
        const before = name.previousElementSibling;
        if (before && before.localName !== "mo") name.classList.add("mt-before");
        if (mo.nextElementSibling && !mo.nextElementSibling.matches("mo, mrow:has(> mo[fence]:first-child)")) name.classList.add("mt-after");
    }
}
