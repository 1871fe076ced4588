import {h, render} from "preact";
import {afterEach, describe, expect, it, vi} from "vitest";
import * as conversations from "../src/conversations/store";
import {Picker, pickerOpen, whyNone} from "../src/models/Picker";
import * as store from "../src/models/store";
import {en} from "../src/i18n/en";
import {drawAnew, root} from "./root";

const few = ["gemma", "org/llama", "phi"];
const many = Array.from({length: 12}, (_, i) => `model-${String.fromCharCode(97 + i)}`);
const tick = () => new Promise((done) => setTimeout(done, 60));
const one = (selector: string): HTMLElement => {
    const el = root.querySelector<HTMLElement>(selector);
    if (!el) throw new Error(`no ${selector}`);
    return el;
};
const press = async (key: string, at: Element | null = document.activeElement) => {
    at?.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true, cancelable: true}));
    await tick();
};
const active = () => {
    const id = (document.activeElement as HTMLElement).getAttribute("aria-activedescendant") ?? "";
    return id && document.getElementById(id)?.querySelector(".model-last")?.textContent;
};
async function show(ids: string[]): Promise<void> {
    vi.stubGlobal("fetch", async () => new Response(JSON.stringify({object: "list", data: ids.map((id) => ({id}))})));
    conversations.change(conversations.current.peek().id, {model: ids[0] ?? ""});
    await store.refresh();
    render(h(Picker, {}), root);
    one("button").focus();
    await press("ArrowDown");
}

drawAnew();
afterEach(() => {
    pickerOpen.value = false;
    vi.unstubAllGlobals();
});

describe("the picker by keyboard", () => {
    it("opens at the chosen one, walks, and takes by Enter", async () => {
        await show(few);
        expect(document.activeElement?.getAttribute("role")).toBe("listbox");
        expect(active()).toBe("gemma");
        await press("ArrowDown");
        expect(active()).toBe("llama");
        await press("End");
        await press("ArrowDown");
        expect(active()).toBe("gemma");
        await press("ArrowUp");
        expect(active()).toBe("phi");
        await press("Home");
        await press("l");
        expect(active()).toBe("llama");
        await press("Enter");
        expect(store.chosen.value).toBe("org/llama");
        expect(root.querySelector(".picker-box")).toBeNull();
        expect(document.activeElement).toBe(one("button"));
    });
    it("Esc leaves everything, and goes back to the button", async () => {
        await show(few);
        await press("End");
        await press("Escape");
        expect([store.chosen.value, pickerOpen.value]).toEqual(["gemma", false]);
        expect(document.activeElement).toBe(one("button"));
    });
    it("many are searched", async () => {
        await show(many);
        const input = document.activeElement as HTMLInputElement;
        expect(input.getAttribute("role")).toBe("combobox");
        input.value = "l-c";
        input.dispatchEvent(new Event("input", {bubbles: true}));
        await tick();
        expect([...root.querySelectorAll("[role=option] .model-last")].map((x) => x.textContent)).toEqual(["model-c"]);
        await press("Enter");
        expect(store.chosen.value).toBe("model-c");
    });
    it("says when nothing is found, and Enter then takes nothing", async () => {
        await show(many);
        const input = document.activeElement as HTMLInputElement;
        input.value = "zzz";
        input.dispatchEvent(new Event("input", {bubbles: true}));
        await tick();
        expect(one(".picker-no-match").textContent).toContain("zzz");
        await press("Enter");
        expect(pickerOpen.value).toBe(true);
    });
    it("the active one stays the same when the list changes", async () => {
        await show(few);
        await press("End");
        vi.stubGlobal("fetch", async () => new Response(JSON.stringify({data: ["aaa", ...few].map((id) => ({id}))})));
        await store.refresh();
        await tick();
        expect(active()).toBe("phi");
    });
    it("closes when the focus goes elsewhere", async () => {
        const other = document.createElement("button");
        document.body.append(other);
        await show(few);
        other.focus();
        await tick();
        expect(pickerOpen.value).toBe(false);
        other.remove();
    });
    it("names the model and whether it is there", async () => {
        await show(few);
        expect(one("button").getAttribute("aria-label")).toBe("Model: gemma");
        expect(one("[aria-selected=true]").textContent).toContain("gemma");
        conversations.change(conversations.current.peek().id, {model: "gone"});
        await tick();
        expect(one("button").getAttribute("aria-label")).toContain(en["models.away"]);
        expect(one(".picker-gone").textContent).toContain(en["models.awayWhy"]);
    });
    it("says why there is none", async () => {
        await show([]);
        expect(one(".picker-none").textContent).toContain(en["models.none.empty"]);
    });
    it("a hostile name is text", async () => {
        await show(["<img src=x onerror=alert(1)>"]);
        expect(root.querySelector("img")).toBeNull();
        expect(one(".picker-option").textContent).toContain("<img src=x onerror=alert(1)>");
    });
});

it.each([
    ["loading", "loading"], ["ready", "empty"], ["signin", "signin"], ["forbidden", "forbidden"], ["offline", "offline"], ["timeout", "offline"],
    ["alien", "failed"], ["server", "failed"], ["model", "failed"],
] as const)("nothing to choose because of %s", (state, words) => expect(whyNone(state)).toBe(`models.none.${words}`));
