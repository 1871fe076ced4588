import {Lexer} from "marked";
import {describe, expect, it, vi} from "vitest";
import {cpuMs} from "./cpu";
import {Blocks, decided, readAll} from "../src/chat/markdown/blocks";
import {lex, walk} from "../src/chat/markdown/lexer";
import {longBlock, parts, samples} from "./markdown-samples";

/** The same numbers each time. */
function random(seed: number): () => number {
    let s = seed;
    return () => {
        s = (s * 1664525 + 1013904223) % 4294967296;
        return s / 4294967296;
    };
}

function streamed(text: string, next: () => number, each?: (seen: string, got: readonly unknown[]) => void) {
    const blocks = new Blocks();
    for (let at = next(); at < text.length; at += next()) {
        const seen = text.slice(0, at);
        const got = blocks.update(seen, true);
        each?.(seen, got);
    }
    return blocks.update(text, false);
}

const all = [...samples, samples.join("\n\n"), [...samples].reverse().join("\n\n")];

describe("blocks of a growing text", () => {
    it.each(all)("end as those of the whole: %j", (text) => {
        const whole = readAll(text);
        const r = random(text.length + 1);
        for (const longest of [1, 2, 4, 9, 40]) {
            expect(streamed(text, () => 1 + Math.floor(r() * longest))).toEqual(whole);
        }
    });

    it.each(samples.filter((x) => !/\[\w\]|\[\^|details|<div|\r/.test(x)))("are at any time those of what has come: %j", (text) => {
        streamed(text, () => 1, (seen, got) => {
            const want = readAll(decided(seen));
            expect(got, JSON.stringify(seen)).toEqual(want);
        });
    });

    it("that are settled stay the same objects", () => {
        const text = Array.from({length: 40}, (_, i) => `Paragraph ${i} of **some** length.\n\n- a\n- b\n`).join("\n");
        const blocks = new Blocks();
        let before: readonly unknown[] = [];
        for (let i = 4; i < text.length; i += 4) {
            const now = blocks.update(text.slice(0, i), true);
            expect(now.slice(0, Math.max(0, before.length - 2))).toEqual(before.slice(0, -2));
            before.slice(0, -2).forEach((b, k) => expect(now[k]).toBe(b));
            before = now;
        }
        const end = blocks.update(text, false);
        before.slice(0, -1).forEach((b, k) => expect(end[k]).toBe(b));
    });

    it("keep the items of a list that grows", () => {
        const blocks = new Blocks();
        const items = (text: string) => (blocks.update(text, true)[0] as unknown as {items: unknown[]}).items;
        const first = items("- one\n- two\n- three");
        const later = items("- one\n- two\n- three\n- four\n- fi");
        expect(later[0]).toBe(first[0]);
        expect(later[1]).toBe(first[1]);
        expect(later).toHaveLength(5);
    });

    it("keep the rows of a table and the blocks of a quote that grow", () => {
        const blocks = new Blocks();
        const rows = (text: string) => (blocks.update(text, true)[0] as unknown as {rows: unknown[]}).rows;
        const [row] = rows("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4");
        expect(rows("| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 45 |\n| 6 | 7")[0]).toBe(row);
        const inside = (text: string) => (blocks.update(text, true)[0] as unknown as {tokens: {items?: unknown[]}[]}).tokens;
        const first = inside("> a\n>\n> - b\n> - c");
        const later = inside("> a\n>\n> - b\n> - c d\n> - e");
        expect(later[0]).toBe(first[0]);
        expect(later[2]?.items?.[0]).toBe(first[2]?.items?.[0]);
    });

    it("know what an item of a list that grows has defined", () => {
        const text = "- [a]: https://a.example\n- b\n- c\n- d\n- e [a]\n- f [a]\n- g";
        streamed(text, () => 1, (seen, got) => seen.length > 40 && expect(got, JSON.stringify(seen)).toEqual(readAll(decided(seen))));
    });

    it("begin anew when another text comes", () => {
        const blocks = new Blocks();
        blocks.update("# a\n\nb\n\nc\n\nd", true);
        expect(blocks.update("> other", true)).toEqual(readAll("> other"));
    });

    it("do not show what may yet become something else", () => {
        expect(decided("text\n-")).toBe("text");
        expect(decided("text\n``")).toBe("text");
        expect(decided("text\n1.")).toBe("text");
        expect(decided("text\n- a")).toBe("text\n- a");
        expect(decided("text 5")).toBe("text 5");
        expect(decided("a\n```js\ncode")).toBe("a\n```js\ncode");
    });

    it.each(Object.keys(parts))("that are long are at any time those of what has come: %s", (kind) => {
        const text = `${longBlock(kind, 15000)}\n\nend`;
        const r = random(text.length);
        const got = streamed(text, () => 1 + Math.floor(r() * 900), (seen, now) => expect(now, String(seen.length)).toEqual(readAll(decided(seen))));
        expect(got).toEqual(readAll(text));
    });

    it.each(Object.keys(parts).filter((x) => x !== "words without gaps"))("that are long cost no more for their next words than short ones: %s", (kind) => {
        const read = (length: number) => {
            const text = longBlock(kind, length);
            const blocks = new Blocks();
            let now: readonly unknown[] = [];
            for (let at = 500; at < text.length; at += 500) now = blocks.update(text.slice(0, at), true);
            const words = vi.spyOn(Lexer.prototype, "inlineTokens");
            for (let i = 0; i < 10; i++) blocks.update(`${text}${" word".repeat(i + 1)}`, true);
            const letters = words.mock.calls.reduce((sum, [src]) => sum + src.length, 0);
            words.mockRestore();
            expect(now.length).toBeGreaterThan(0);
            return letters / 10;
        };
        const short = read(9000);
        expect(short).toBeGreaterThan(kind === "code" ? -1 : 0);
        expect(read(45000)).toBeLessThan(2 * short + 500);
    });

    it.each(["list", "loose list", "list that was loose once", "tasks", "table", "fences", "headings", "rules"])("are read again no further than it matters: %s", (kind) => {
        const text = longBlock(kind, 45000);
        const blocks = new Blocks();
        for (let at = 500; at < text.length; at += 500) blocks.update(text.slice(0, at), true);
        const lexed = vi.spyOn(Lexer.prototype, "blockTokens");
        blocks.update(`${text}${parts[kind]}`, true);
        blocks.update(`${text}${parts[kind]}${parts[kind]} and more`, true);
        const letters = lexed.mock.calls.map(([src]) => src.length);
        lexed.mockRestore();
        expect(letters.length).toBeGreaterThan(1);
        expect(Math.max(...letters)).toBeLessThan(2500);
    });

    it("read 45 KB in pieces of four characters in less than 2 ms each", () => {
        const sample = samples.slice(0, 22).join("\n\n");
        const text = sample.repeat(Math.ceil(45000 / sample.length)).slice(0, 45000);
        const blocks = new Blocks();
        const began = cpuMs();
        let n = 0;
        for (let i = 4; i < text.length; i += 4, n++) blocks.update(text.slice(0, i), true);
        expect((cpuMs() - began) / n).toBeLessThan(2);
    });

    it("tear nothing where words are read in pieces", () => {
        const image = `![i](data:image/png;base64,${"A".repeat(9000)})`;
        const bold = `**${"strong words ".repeat(40)}end**`;
        const text = Array.from({length: 30}, (_, i) => `${"word ".repeat(i * 11)}${bold} [${"link ".repeat(30)}](https://a.example/${i}) ${image}`).join(" ");
        const seen = {strong: 0, link: 0, image: 0, piece: 0, letters: ""};
        walk(readAll(text), (x) => {
            if (x.type in seen) seen[x.type as "strong"]++;
            if (x.type === "piece") seen.letters += x.raw;
        });
        expect(seen).toMatchObject({strong: 30, link: 30, image: 30, letters: text});
        expect(seen.piece).toBeGreaterThan(10);
    });

    it("nest no deeper than the stack holds", () => {
        for (const mark of ["> ", "- ", ">", "**a ", "[", "~~a _b "]) expect(() => JSON.stringify(lex(mark.repeat(20000)))).not.toThrow();
    });
});
