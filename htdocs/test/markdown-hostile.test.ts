import {createElement, render} from "preact";
import {act} from "preact/test-utils";
import {describe, expect, it} from "vitest";
import {cpuMs} from "./cpu";
import {Markdown} from "../src/chat/markdown";
import {wrong} from "./allowed";
import {type Hostile, hostile, long, short} from "./hostile";
import {drawAnew, root} from "./root";

const HEAD = 600;
const TAIL = 100;
const CHECK_EVERY = 50;

const check = (root: Element) => expect([...root.querySelectorAll("*")].map(wrong).filter(Boolean)).toEqual([]);

drawAnew();

const show = (text: string, streaming: boolean) => act(() => render(createElement(Markdown, {text, streaming}), root));
const settle = () => act(async () => void (await new Promise((done) => setTimeout(done, 5))));

describe("hostile answers", () => {
    it("are many, each with a name of its own", () => {
        expect(hostile.length).toBeGreaterThanOrEqual(100);
        expect(new Set(hostile.map((x) => x.name)).size).toBe(hostile.length);
    });

    it.each(hostile)("$name, whole", async ({text}: Hostile) => {
        const began = cpuMs();
        await show(text, false);
        expect(cpuMs() - began).toBeLessThan(3000);
        await settle();
        check(root);
    });

    it.each(short)("$name, letter by letter", async ({text}: Hostile) => {
        for (let i = 1; i <= text.length; i++) {
            await show(text.slice(0, i), true);
            check(root);
        }
        await show(text, false);
        const streamed = root.cloneNode(true);
        render(null, root);
        await show(text, false);
        if (!root.isEqualNode(streamed)) expect((streamed as Element).innerHTML).toBe(root.innerHTML);
        check(root);
    });

    // Their parts are all alike: what happens at any of their letters happens in the beginning or at the end.
    it.each(long)("$name, letter by letter at both ends", async ({text}: Hostile) => {
        const began = cpuMs();
        let checked = 0;
        for (let i = 1; i <= text.length; i = i === HEAD ? Math.max(i + 1, text.length - TAIL) : i + 1) {
            await show(text.slice(0, i), true);
            if (i - checked < CHECK_EVERY && i < text.length) continue;
            checked = i;
            check(root);
        }
        expect(cpuMs() - began).toBeLessThan(10_000);
    });

    it.each(long)("$name, in pieces", async ({text}: Hostile) => {
        const began = cpuMs();
        const step = Math.ceil(text.length / 8);
        for (let i = step; i <= text.length; i += step) await show(text.slice(0, i), true);
        await show(text, false);
        expect(cpuMs() - began).toBeLessThan(4000);
        check(root);
    });
});
