import {beforeEach, describe, expect, it, vi} from "vitest";
import * as db from "../src/conversations/db";
import * as store from "../src/conversations/store";
import {exportAll, importFiles, shareOne} from "../src/conversations/transfer";
import {savePreset} from "../src/settings/presets";
import {wipe} from "../src/settings/wipe";
import type {Conversation} from "../src/conversations/types";

/** Files that the page gave to the browser. */
const given: {name: string; blob: Blob}[] = [];
const readText = (b: Blob) => new Promise<string>((done) => {
    const r = new FileReader();
    r.onload = () => done(String(r.result));
    r.readAsText(b);
});
const file = (text: string, name = "x.json") => {
    const f = new File([text], name);
    Object.defineProperty(f, "text", {configurable: true, value: () => readText(f)});
    return f;
};
const own = (messages: unknown[], title = "T") => ({format: "dgon-conversations", version: 1, presets: [], conversations: [{title, messages}]});
const question = {id: "1", parent: "", role: "user", text: "Hi"};

beforeEach(async () => {
    given.length = 0;
    let last: Blob;
    URL.createObjectURL = (b: Blob | MediaSource) => {
        last = b as Blob;
        return "blob:x";
    };
    URL.revokeObjectURL = () => undefined;
    vi.spyOn(HTMLAnchorElement.prototype, "click").mockImplementation(function (this: HTMLAnchorElement) {
        given.push({name: this.download, blob: last});
    });
    await store.removeAll();
});

describe("files of conversations", () => {
    it("go out and come back beside what is there", async () => {
        await savePreset("Short", {system: "s", params: {}, model: ""});
        await importFiles([file(JSON.stringify(own([question, {id: "2", parent: "1", role: "assistant", text: "Yes", state: "done"}], "One")))]);
        await importFiles([file(JSON.stringify(own([question], "Two \u202e")))]);
        await exportAll();
        expect(given[0]?.name).toMatch(/^chats-\d{4}-\d\d-\d\d\.json$/);
        const text = await readText(given[0]?.blob ?? new Blob());
        expect((JSON.parse(text) as {presets: unknown[]}).presets).toHaveLength(1);
        const said = await importFiles([file(text)]);
        expect(said).toContain("2");
        expect(store.list.value.map((c) => c.title).sort()).toEqual(["One", "One", "Two", "Two"]);
        const all = await db.allConversations();
        expect(all).toHaveLength(4);
        for (const c of all) expect((await db.messagesOf(c.id)).some((m) => m.id === c.leaf)).toBe(true);
    });
    it("that are none get a sentence each, and change nothing", async () => {
        for (const text of ["", "{", "<html>", "[]", "{}", "null", "PK\u0003\u0004zip", "[".repeat(100_000)]) {
            const said = await importFiles([file(text, "bad.json")]);
            expect(said).toMatch(/^bad\.json: [A-Z].+\.$/);
        }
        expect(await db.allConversations()).toEqual([]);
    });
    it("that are partly good are taken partly, and it is said why", async () => {
        const v = own([question]);
        v.conversations.push({title: "none", messages: []}, null as never, {title: "bad"} as never);
        const said = await importFiles([file(JSON.stringify(v))]);
        expect(said).toBe("Conversations imported: 1. Left out: 3 (no messages, damaged).");
        expect(store.list.value).toHaveLength(1);
    });
    it("that are too large are not read", async () => {
        const f = file("{}");
        Object.defineProperty(f, "size", {value: 201 * 1024 * 1024});
        Object.defineProperty(f, "text", {value: () => Promise.reject(new Error("read"))});
        expect(await importFiles([f])).toContain("200 MB");
    });
    it("say that the storage is full", async () => {
        const full = vi.spyOn(db, "putAll").mockRejectedValue(new db.Full("full"));
        const said = await importFiles([file(JSON.stringify(own([question])))]);
        full.mockRestore();
        expect(said).toContain("storage is full");
        expect(store.list.value).toEqual([]);
    });
    it("are Markdown when shared", async () => {
        await importFiles([file(JSON.stringify(own([question], "A/B")))]);
        const c = store.list.value[0] as Conversation;
        await shareOne(c.id);
        expect(given[0]?.name).toBe("A B.md");
        expect(await readText(given[0]?.blob ?? new Blob())).toBe("# A/B\n\n## You\n\nHi\n");
    });
    it("of all conversations are gone after deleting all", async () => {
        await importFiles([file(JSON.stringify(own([question])))]);
        store.open(store.list.value[0]?.id ?? "");
        expect(await wipe()).toBe(true);
        expect(store.list.value).toEqual([]);
        expect(store.currentId.value).toBe("");
        expect(await db.allConversations()).toEqual([]);
    });
});
