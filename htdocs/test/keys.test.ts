import {beforeEach, describe, expect, it} from "vitest";
import {chordKeys, pressed} from "../src/app/chords";
import {box} from "../src/chat/Composer";
import {running} from "../src/chat/generate";
import {current} from "../src/conversations/store";
import {commands} from "../src/app/commands";
import {excerpt, mark, rank, best, wordsOf} from "../src/app/find";
import {commandFor, isTyping, startKeys} from "../src/app/keys";
import {paletteOpen} from "../src/app/Palette";
import {en} from "../src/i18n/en";

const press = (key: string, more: KeyboardEventInit = {}, on: Element = document.body): KeyboardEvent => {
    const e = new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true, ...more});
    on.dispatchEvent(e);
    return e;
};
const put = (html: {tag: string; [a: string]: string}): HTMLElement => {
    const {tag, ...attributes} = html;
    const el = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) el.setAttribute(k, v);
    document.body.append(el);
    return el;
};
const id = (e: KeyboardEvent, mac = false) => {
    const c = commandFor(e, mac);
    return c && "id" in c ? c.id : c && "other";
};

beforeEach(() => {
    document.body.replaceChildren();
    paletteOpen.value = false;
});

describe("chords", () => {
    const e = (key: string, mods = "", code = "") => ({
        key, code, ctrlKey: mods.includes("c"), metaKey: mods.includes("m"), altKey: mods.includes("a"), shiftKey: mods.includes("s"),
    });
    it("know Ctrl from Cmd", () => {
        expect(pressed(e("k", "c"), "mod+k", false)).toBe(true);
        expect(pressed(e("k", "m"), "mod+k", true)).toBe(true);
        expect(pressed(e("k", "m"), "mod+k", false)).toBe(false);
        expect(pressed(e("k", "c"), "mod+k", true)).toBe(false);
        expect(pressed(e("k", "cs"), "mod+k", false)).toBe(false);
        expect(pressed(e("k", "ca"), "mod+k", false)).toBe(false); // AltGr
        expect(pressed(e("O", "cs"), "mod+shift+o", false)).toBe(true);
    });
    it("know keyboards of other scripts and signs that need Shift", () => {
        expect(pressed(e("ن", "c", "KeyK"), "mod+k", false)).toBe(true);
        expect(pressed(e("t", "c", "KeyK"), "mod+k", false)).toBe(false); // another Latin layout: its letter counts
        expect(pressed(e("/", "cs"), "mod+/", false)).toBe(true);
    });
    it("are written as on the keyboard", () => {
        const word = (k: keyof typeof en) => en[k];
        expect(chordKeys("mod+shift+o", word, false)).toEqual(["Ctrl", "Shift", "O"]);
        expect(chordKeys("mod+shift+o", word, true)).toEqual(["⌘", "⇧", "O"]);
        expect(chordKeys("alt+ArrowUp", word, false)).toEqual(["Alt", "↑"]);
        expect(chordKeys("Escape", word, false)).toEqual(["Esc"]);
    });
});

describe("commands", () => {
    it("have names and keys of their own", () => {
        expect(new Set(commands.map((c) => c.id)).size).toBe(commands.length);
        const keys = commands.flatMap((c) => c.keys ?? []);
        expect(new Set(keys).size).toBe(keys.length);
        for (const c of commands) expect(en[c.label]).toBeTruthy();
    });
    it("leave the browser its own keys", () => {
        for (const c of commands) for (const taken of ["r", "shift+r", "t", "w", "n", "shift+n", "shift+t", "q", "l", "f", "c", "v", "x", "z", "a", "p", "s"]) {
            expect(c.keys).not.toBe(`mod+${taken}`);
        }
    });
    it("of a running answer are not there without one", () => {
        expect(id(press("Escape"))).toBeUndefined();
    });
});

describe("keys", () => {
    it("work in the message box, too", () => {
        const area = put({tag: "textarea", id: "box"});
        expect(id(press("k", {ctrlKey: true}, area))).toBe("search");
        expect(id(press("/", {}, area))).toBeUndefined();
        expect(id(press("/"))).toBe("box");
    });
    it("mean something else in lists, menus and on a Mac's text fields", () => {
        const select = put({tag: "select"});
        expect(id(press("/", {}, put({tag: "div", role: "menu"})))).toBeUndefined();
        expect(id(press("ArrowDown", {altKey: true}, select))).toBeUndefined();
    });
    it("do nothing below an open dialog, but for the palette's own", () => {
        put({tag: "dialog", open: ""});
        expect(id(press("o", {ctrlKey: true, shiftKey: true}))).toBeUndefined();
        expect(id(press("k", {ctrlKey: true}))).toBeUndefined();
        paletteOpen.value = true;
        expect(id(press("k", {ctrlKey: true}))).toBe("other");
    });
    it("do nothing when somebody else took them, or in an input method", () => {
        expect(commandFor(new KeyboardEvent("keydown", {key: "k", ctrlKey: true, isComposing: true}))).toBeUndefined();
        const e = new KeyboardEvent("keydown", {key: "k", ctrlKey: true, cancelable: true});
        e.preventDefault();
        expect(commandFor(e)).toBeUndefined();
    });
    it("Esc stops the answer that is being written here, but not from another field", () => {
        let stopped = 0;
        const c = current.value.id;
        running.value = new Map([["m", {conversation: c, stop: () => stopped++, waiting: null}]]);
        const area = put({tag: "textarea", id: "box"});
        commandFor(press("Escape", {}, area))?.run();
        expect(stopped).toBe(1);
        expect(id(press("Escape", {}, put({tag: "input"})))).toBeUndefined();
        expect(id(press("Escape", {}, put({tag: "div", role: "menu"})))).toBeUndefined();
        running.value = new Map([["m", {conversation: "another", stop: () => stopped++, waiting: null}]]);
        expect(id(press("Escape", {}, area))).toBeUndefined();
        running.value = new Map();
    });
    it("of letters go to the message box from where nothing takes them", () => {
        const area = put({tag: "textarea", id: "box"}) as HTMLTextAreaElement;
        const field = put({tag: "input"});
        box.value = area;
        const end = startKeys();
        press("a", {}, field);
        expect(document.activeElement).not.toBe(area);
        press(" ");
        press("a", {ctrlKey: true});
        expect(document.activeElement).not.toBe(area);
        press("ä");
        expect(document.activeElement).toBe(area);
        const e = press("k", {ctrlKey: true});
        expect(e.defaultPrevented).toBe(true);
        expect(paletteOpen.value).toBe(true);
        end();
        box.value = null;
        expect(isTyping(new KeyboardEvent("keydown", {key: "Enter"}))).toBe(false);
    });
});

describe("finding", () => {
    it("ranks beginnings before middles and wants every word", () => {
        expect(rank("Trip to Lisbon", ["trip"])).toBe(3);
        expect(rank("Trip to Lisbon", ["lisbon"])).toBe(2);
        expect(rank("Trip to Lisbon", ["isbon"])).toBe(1);
        expect(rank("Trip to Lisbon", ["trip", "rome"])).toBe(0);
        expect(best(["a new x", "x", "b"], (s) => s, ["x"], 5)).toEqual(["x", "a new x"]);
        expect(wordsOf("  A  b a ")).toEqual(["a", "b"]);
    });
    it("marks by pieces, whatever the text and the words hold", () => {
        expect(mark("a<b>A", ["a"])).toEqual([{text: "a", hit: true}, {text: "<b>", hit: false}, {text: "A", hit: true}]);
        expect(mark("1+1 (x)", ["(x", "+"]).filter((p) => p.hit).map((p) => p.text)).toEqual(["+", "(x"]);
        for (const w of ["[", "\\", "$&", "a-z", "^", "|"]) expect(() => mark("text [ \\ $&", [w])).not.toThrow();
        expect(mark("", ["a"])).toEqual([]);
    });
    it("shows the text around the first hit", () => {
        const text = `${"word ".repeat(100)}needle ${"end ".repeat(100)}`;
        const pieces = excerpt(text, ["needle"]);
        const line = pieces.map((p) => p.text).join("");
        expect(pieces.some((p) => p.hit && p.text === "needle")).toBe(true);
        expect(line.startsWith("…word")).toBe(true);
        expect(line.endsWith("…")).toBe(true);
        expect(line.length).toBeLessThan(150);
        expect(excerpt("İİİİ x", ["x"]).map((p) => p.text).join("")).toBe("İİİİ x");
    });
});
