import {createElement, render} from "preact";
import {act} from "preact/test-utils";
import {describe, expect, it, vi} from "vitest";
import {Markdown, renderToText} from "../src/chat/markdown";
import {chunkEnd, cutParts} from "../src/chat/markdown/colours";
import {decode} from "../src/chat/markdown/entities";
import {type Part, highlight} from "../src/chat/markdown/highlight";
import {languageName, languageOf} from "../src/chat/markdown/languages";
import {lex, walk} from "../src/chat/markdown/lexer";
import {draw} from "../src/chat/markdown/mathml";
import {imageUrl, linkUrl} from "../src/chat/markdown/url";
import {longBlock, parts, samples} from "./markdown-samples";
import {drawAnew, root} from "./root";

drawAnew();
const show = (text: string, streaming = false) => act(() => render(createElement(Markdown, {text, streaming}), root));
const html = async (text: string) => {
    await show(text);
    return root.firstElementChild?.innerHTML ?? "";
};
const find = (selector: string) => root.querySelector<HTMLElement>(selector);
const count = (selector: string) => root.querySelectorAll(selector).length;

describe("mathematics", () => {
    const formulas = (text: string) => {
        const out: string[] = [];
        walk(lex(text), (x) => {
            if (x.type === "math" || x.type === "mathBlock") out.push(String((x as {tex?: unknown}).tex));
        });
        return out;
    };
    it.each([
        ["$x$", ["x"]],
        ["a $x+y$, $z$.", ["x+y", "z"]],
        ["$$x$$", ["x"]],
        ["a $$x$$ b", ["x"]],
        ["\\(x\\) \\[y\\]", ["x", "y"]],
        ["$n$th and $k$-fold", ["n", "k"]],
        ["$a_b$ and $c_d$", ["a_b", "c_d"]],
        ["$\\$5$", ["\\$5"]],
        ["$$\na\n- b\n+ c\n# d\n$$", ["a\n- b\n+ c\n# d"]],
        ["text:\n\\[\n1. a\n\\]\nmore", ["1. a"]],
        ["\\begin{align}\na\n\\end{align}", ["\\begin{align}\na\n\\end{align}"]],
        ["- a $x$\n- \\(y\\)", ["x", "y"]],
        ["| a |\n|-|\n| $x$ |", ["x"]],
        ["**$x$**", ["x"]],
        ["costs $5 and $10", []],
        ["$5-$6 or $1,000–$2,000", []],
        ["US$5 and A$6$", []],
        ["$ x $", []],
        ["$x $", []],
        ["$x", []],
        ["$HOME/$USER", []],
        ["\\$x\\$", []],
        ["`$x$` and\n\n```\n$y$\n```", []],
        ["$a\n\nb$", []],
        ["$$", []],
        ["$$$$", []],
        ["\\\\(x\\\\)", []],
    ])("%j", (text, want) => expect(formulas(text)).toEqual(want));

    it("becomes MathML without its source", () => {
        const m = draw("\\frac{a}{\\mathbb{R}} \\mathbf{x}\\mathcal{L}", false);
        expect(m?.namespaceURI).toBe("http://www.w3.org/1998/Math/MathML");
        expect(m?.textContent).toBe("aℝ𝐱ℒ");
        expect(m?.querySelector("annotation, [style], [class], [mathvariant]")).toBeNull();
    });
    it("has tables that browsers can draw", () => {
        const m = draw("\\begin{aligned}a&=b\\\\c&=d\\end{aligned}", true);
        expect([...(m?.querySelectorAll("mtd") ?? [])].map((x) => x.getAttribute("class"))).toEqual([
            "mt-right mt-join", "mt-left mt-join mt-joined", "mt-right mt-join", "mt-left mt-join mt-joined",
        ]);
    });
    it("that cannot be read shows its source", async () => {
        expect(draw("\\frac{", false)).toBeNull();
        await show("$\\frac{$");
        await act(async () => void (await import("../src/chat/markdown/mathml")));
        expect(find(".md-math")?.textContent).toBe("$\\frac{$");
    });
    it("that can be read is drawn when KaTeX is there", async () => {
        await show("$x^2$");
        await vi.waitFor(() => expect(count("math msup")).toBe(1));
    });
});

describe("addresses", () => {
    it.each(["https://a.example/", "http://a.example:8080/x?y#z", "mailto:a@b.example"])("%s is a link", (x) => expect(linkUrl(x)).toBe(x));
    it.each([
        "javascript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,x", "vbscript:x", "file:///x", "blob:https://a/x", "/x", "x", "#x",
        "//a.example", "", "https://", "https://user@a.example/", "https://a.example@b.example/", "ftp://a.example/", "tel:1",
    ])("%j is none", (x) => expect(linkUrl(x)).toBe(""));
    it("images are shown only where they stand in the text", () => {
        expect(imageUrl("data:image/png;base64,AAAA")).not.toBe("");
        for (const x of ["https://a.example/x.png", "data:image/svg+xml;base64,AAAA", "data:image/png,AAAA", 'data:image/png;base64,AA"A', "x.png"]) {
            expect(imageUrl(x)).toBe("");
        }
    });
});

describe("HTML in an answer", () => {
    it("of the short list becomes elements without attributes", async () => {
        expect(await html('H<sub class="x" onclick="y">2</sub>O<br/>')).toBe('<p dir="auto">H<sub>2</sub>O<br></p>');
        expect(await html("<kbd>A</kbd> <KBD>B</KBD>")).toContain("<kbd>A</kbd> <kbd>B</kbd>");
    });
    it("of other names is text", async () => {
        expect(await html("use <section id=a> or <script>x</script>")).toBe(
            '<p dir="auto">use &lt;section id=a&gt; or &lt;script&gt;x&lt;/script&gt;</p>',
        );
    });
    it("comments are not shown", async () => expect(await html("a<!-- b -->c")).toBe('<p dir="auto">ac</p>'));
    it("details hold the blocks between their tags", async () => {
        await show("<details>\n<summary>More</summary>\n\n- **a**\n\n</details>\n\nafter");
        expect(find("details > summary")?.textContent).toBe("More");
        expect(find("details > ul strong")?.textContent).toBe("a");
        expect(find(".md > p")?.textContent).toBe("after");
    });
    it("tables, with links and images as in Markdown", async () => {
        await show('<table><tr><td><a href="https://a.example/?a=1&amp;b">a</a><img src="https://a.example/x.png" alt="pic"></td></tr></table>');
        expect(find("td > a")?.getAttribute("href")).toBe("https://a.example/?a=1&b");
        expect(find("td > a.md-image")?.textContent).toBe("pic");
        expect(count("img")).toBe(0);
    });
    it("character references are the characters", () => {
        expect(decode("&amp;&lt;&nbsp;&mdash;&alpha;&rarr;&#65;&#x42;&hearts;&yuml;&OElig;")).toBe("&<\u00a0—α→AB♥ÿŒ");
        expect(decode("&nope; &constructor; &; &#; &#0;&#xd800;&#x110000; &amp;lt;")).toBe("&nope; &constructor; &; &#; \ufffd\ufffd\ufffd &lt;");
    });
});

describe("an answer", () => {
    it("keeps the order of headings", async () => {
        await show("### a\n\n# b\n\n###### c\n\n## d\n\n> # e");
        expect([...root.querySelectorAll("h3,h4,h5,h6")].map((h) => `${h.localName}.${h.className}`)).toEqual([
            "h3.md-h3", "h3.md-h1", "h4.md-h6", "h3.md-h2", "h3.md-h1",
        ]);
    });
    it("has tasks, tables and aligned cells", async () => {
        await show("- [x] a\n- [ ] b\n\n| a | b |\n|:-:|--:|\n| 1 | 2 |");
        expect(count("li.md-task > input[type=checkbox][disabled]")).toBe(2);
        expect(count("input:checked")).toBe(1);
        expect(find("td:last-child")?.className).toBe("md-right");
        expect(find("th")?.getAttribute("scope")).toBe("col");
    });
    it("leads to its footnotes and back", async () => {
        await show("a[^x] b[^y] c[^x] d[^none]\n\n[^y]: Y\n[^x]: X **b**\n[^unused]: U");
        expect([...root.querySelectorAll(".md-noteref")].map((x) => x.textContent)).toEqual(["1", "2", "1"]);
        expect([...root.querySelectorAll(".md-notes > li")].map((x) => x.textContent)).toEqual(["X b↩", "Y↩"]);
        expect(find(".md > p")?.textContent).toContain("d[^none]");
        Element.prototype.scrollIntoView = () => undefined;
        root.querySelectorAll<HTMLElement>(".md-noteref")[1]?.click();
        expect(document.activeElement).toBe(root.querySelectorAll(".md-notes > li")[1]);
        root.querySelectorAll<HTMLElement>(".md-noteback")[1]?.click();
        expect(document.activeElement).toBe(root.querySelectorAll(".md-noteref")[1]);
    });
    it("opens links elsewhere, and does not load images", async () => {
        await show("[a](https://a.example) ![alt text](https://b.example/x.png) [rel](/x)");
        for (const a of root.querySelectorAll("a")) {
            expect(a.target).toBe("_blank");
            expect(a.rel).toBe("noopener noreferrer nofollow");
        }
        expect(find("a.md-image")?.textContent).toBe("alt text");
        expect(root.textContent).toContain("rel");
        expect(count("a")).toBe(2);
    });
    it("finds its direction block by block", async () => {
        await show("مرحبا\n\n- عربي\n\n> x\n\n```\nx\n```");
        expect([...root.querySelectorAll("[dir=auto]")].map((x) => x.localName)).toEqual(["p", "ul", "blockquote"]);
        expect(find("pre")?.dir).toBe("ltr");
    });
    it.each(samples)("looks the same streamed and whole: %j", async (text) => {
        for (let i = 0; i < text.length; i += 3) await show(text.slice(0, i), true);
        await show(text);
        const streamed = root.cloneNode(true) as Element;
        render(null, root);
        await show(text);
        if (!root.isEqualNode(streamed)) expect(streamed.innerHTML).toBe(root.innerHTML);
    });
    it.each(Object.keys(parts))("of one long block looks the same streamed and whole: %s", async (kind) => {
        const text = longBlock(kind, 12000);
        for (let i = 700; i < text.length; i += 700) await show(text.slice(0, i), true);
        await show(text);
        const streamed = root.cloneNode(true) as Element;
        render(null, root);
        await show(text);
        if (!root.isEqualNode(streamed)) expect(streamed.innerHTML).toBe(root.innerHTML);
        expect(root.textContent?.length).toBeGreaterThan(4000);
    });

    it("of one long block keeps what it has drawn of it", async () => {
        for (const [kind, part, all] of [["list", "li", "ul"], ["table", "tbody tr", "tbody"], ["quoted list", "blockquote li", "blockquote ul"], ["lines", "p br", "p"]] as const) {
            const text = longBlock(kind, 20000);
            await show(text.slice(0, 15000), true);
            const had = [...root.querySelectorAll(part)];
            let touched = 0;
            const seen = new MutationObserver((all) => (touched += all.filter((x) => had.slice(0, -3).some((y) => y.contains(x.target))).length));
            seen.observe(root, {subtree: true, childList: true, characterData: true, attributes: true});
            for (let i = 15000; i < text.length; i += 100) await show(text.slice(0, i), true);
            await show(text);
            await Promise.resolve();
            seen.disconnect();
            const now = [...root.querySelectorAll(part)];
            expect(now.length, kind).toBeGreaterThan(had.length);
            expect(now.slice(0, had.length - 3).every((x, i) => x === had[i]), kind).toBe(true);
            expect(touched, kind).toBe(0);
            expect(count(all)).toBe(1);
            render(null, root);
        }
    });

    it("has a head, a copy button and colours for its first hundred codes", async () => {
        await show(`${"```js\nlet a;\n```\n".repeat(98)}- x\n  ~~~\n  in a list\n  ~~~\n\n> ~~~\n> in a quote\n> ~~~\n\n~~~\nplain <b>\n~~~\n`);
        expect([count(".code"), count("pre"), count("li .code"), count("blockquote .code")]).toEqual([100, 101, 1, 1]);
        expect(find(".md > pre")?.textContent).toBe("plain <b>");
    });

    it("does not touch what is settled", async () => {
        const text = "# A\n\nfirst **b**\n\n- a\n- b\n\n```js\nlet a;\n```\n\n| a |\n|---|\n| b |\n\nlast one\n\nand the end";
        const from = text.indexOf("last");
        await show(text.slice(0, from + 6), true);
        await vi.waitFor(() => expect(count(".code-keyword")).toBe(1), 10_000);
        const settled = [...root.querySelectorAll(".md > *")].slice(0, 5);
        const touched: MutationRecord[] = [];
        const watch = new MutationObserver((records) => touched.push(...records));
        for (const el of settled) watch.observe(el, {subtree: true, childList: true, attributes: true, characterData: true});
        for (let i = from + 7; i <= text.length; i++) await show(text.slice(0, i), true);
        await show(text);
        touched.push(...watch.takeRecords());
        expect(touched).toEqual([]);
        expect([...root.querySelectorAll(".md > *")].slice(0, 5)).toEqual(settled);
        expect(root.textContent).toContain("and the end");
    });
    it("as text is its words", () => {
        expect(renderToText("# T\n\n**b** [l](https://a.example) `c`<br> &amp; $x$\n\n1. a\n2. b\n\n```\ncode\n```")).toBe("T\n\nb l c  & x\n\n1. a\n2. b\n\ncode");
    });
});

describe("code", () => {
    it("has the name of its language and a copy of its text", async () => {
        const write = vi.fn(async () => undefined);
        vi.stubGlobal("navigator", {...navigator, clipboard: {writeText: write}, languages: ["en"]});
        await show('```py title="x"\nprint("<b>")\n```');
        expect(find(".code-name")?.textContent).toBe("Python");
        find(".code-head .button:last-child")?.click();
        await vi.waitFor(() => expect(find(".code-head .button:last-child")?.textContent).toBe("Copied"));
        expect(write).toHaveBeenCalledWith('print("<b>")');
        vi.unstubAllGlobals();
    });
    it("wraps where that is wanted", async () => {
        await show("```\nx\n```");
        const toggle = find("[aria-pressed]");
        await act(() => toggle?.click());
        expect(toggle?.getAttribute("aria-pressed")).toBe("true");
        expect(count(".code-wrap")).toBe(1);
    });
    it("gets its colours, and keeps its text", async () => {
        const text = "// c\nconst a = `x${1 + 2}` < 3;";
        await show(`\`\`\`js\n${text}\n\`\`\``);
        await vi.waitFor(() => expect(count(".code-keyword")).toBe(1));
        expect(find("pre")?.textContent).toBe(text);
        expect(count(".code-comment")).toBe(1);
    });
    it("of an unknown language stays plain", async () => {
        for (const language of ["__proto__", "constructor", "nope", ""]) expect(await highlight(() => "let a", language)).toBeNull();
    });
    it.each([["js", 1], ["js", 7], ["", 1], ["nope", 3]])("that is long keeps every letter (%s, %i)", async (language, seed) => {
        const text = Array.from({length: 2000}, (_, i) => `${i % seed ? "    " : ""}const a${i} = "${i}"; /* ${i} */`).join("\n");
        await show(`\`\`\`${language}\n${text.slice(0, 9000)}`, true);
        await show(`\`\`\`${language}\n${text}\n\`\`\``);
        await vi.waitFor(() => expect(count(".code-part")).toBeGreaterThan(13), 8000);
        expect(find("pre")?.textContent === text).toBe(true);
        if (language === "js") expect(count(".code-keyword")).toBeGreaterThan(1000);
    }, 10000);
    it("is cut between lines that nothing reaches over", () => {
        const long = "x".repeat(5000);
        expect(chunkEnd(`${long}\nb`, [`${long}\nb`], false)).toBe(5001);
        expect(chunkEnd(`${long}\n b\n c`, [`${long}\n b\n c`], false)).toBe(-1);
        expect(chunkEnd(`${long}\n b\n c`, [`${long}\n b\n c`], true)).toBe(5001);
        expect(chunkEnd(`${long}\nb`, [{kind: "comment", parts: [`${long}\nb`]}], false)).toBe(-1);
        expect(chunkEnd(`a\nb`, ["a\nb"], false)).toBe(-1);
        expect(cutParts(["ab", {kind: "type", parts: ["cd"]}, "ef"], 5)).toEqual([["ab", {kind: "type", parts: ["cd"]}, "e"], ["f"]]);
    });
    it("within code has colours too", async () => {
        const flat = (parts: Part[]): string => parts.map((p) => (typeof p === "string" ? p : flat(p.parts))).join("");
        const text = "<style>a { color: red }</style><script>let a = 1;</script>";
        const parts = await highlight(() => text, "html");
        expect(flat(parts ?? [])).toBe(text);
        expect(JSON.stringify(parts)).toContain('"kind":"keyword","parts":["let"]');
    });
    it("names", () => {
        expect(languageOf("TypeScript:src/a.ts {1}")).toBe("typescript");
        expect(languageName("cpp")).toBe("C++");
        expect(languageName("__proto__")).toBe("__proto__");
        expect(languageName("a\u202eb<c>")).toBe("abc");
    });
});
