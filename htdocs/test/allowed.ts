/** What an answer may become: everything else in it is text. */
const TAGS = new Set(
    ("div span p h3 h4 h5 h6 ul ol li blockquote pre code table thead tbody tfoot tr th td caption hr br wbr strong em del b i u s ins mark small sub sup " +
        "kbd samp var q cite abbr dfn details summary dl dt dd figure figcaption ruby rt rp a img input button svg path " +
        "math semantics mrow mi mn mo ms mtext mspace mfrac msqrt mroot msub msup msubsup munder mover munderover mtable mtr mtd mstyle mpadded mphantom " +
        "menclose").split(" "),
);
const ATTRIBUTES: Record<string, string> = {
    "*": "class dir",
    a: "href target rel title",
    img: "src alt",
    input: "type checked disabled aria-label",
    button: "type aria-label title aria-pressed data-ref",
    ol: "start aria-label",
    li: "data-note tabindex value",
    th: "scope",
    div: "tabindex role aria-label",
    details: "open",
    svg: "width height viewBox fill stroke stroke-width stroke-linecap stroke-linejoin aria-hidden focusable",
    path: "d",
};
const MATHML = new Set(
    ("accent accentunder columnalign columnlines columnspacing depth display displaystyle fence height largeop linethickness lspace mathbackground " +
        "mathcolor mathsize mathvariant maxsize minsize notation rowlines rowspacing rspace scriptlevel separator stretchy voffset width class").split(" "),
);

/** What is wrong with an element of an answer; "" is nothing. */
export function wrong(el: Element): string {
    const tag = el.localName;
    if (!TAGS.has(tag)) return `<${tag}>`;
    const math = el.namespaceURI === "http://www.w3.org/1998/Math/MathML";
    for (const {name, value} of el.attributes) {
        const good = math ? MATHML.has(name) : `${ATTRIBUTES["*"]} ${ATTRIBUTES[tag] ?? ""}`.split(" ").includes(name);
        if (!good) return `<${tag} ${name}="${value.slice(0, 50)}">`;
    }
    if (tag === "a") {
        const href = el.getAttribute("href") ?? "";
        if (!/^(?:https?:\/\/[^/@]+(?:\/|$)|mailto:)/.test(href)) return `href ${href}`;
        if (el.getAttribute("target") !== "_blank" || el.getAttribute("rel") !== "noopener noreferrer nofollow") return "a link that opens here";
    }
    if (tag === "img" && !/^data:image\/(?:png|jpeg|gif|webp);base64,/.test(el.getAttribute("src") ?? "")) return `img ${el.getAttribute("src")}`;
    if (tag === "input" && (el.getAttribute("type") !== "checkbox" || !el.hasAttribute("disabled"))) return "an input";
    if (/\b(?:dialog|toast|menu)/.test(el.getAttribute("class") ?? "")) return `class ${el.className}`;
    return "";
}
