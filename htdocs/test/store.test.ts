import {beforeEach, expect, test, vi} from "vitest";
import * as db from "../src/conversations/db";
import type {Message} from "../src/conversations/types";
import {message} from "./message";

/** A page that was just opened, on the database as it is. */
async function page() {
    vi.resetModules();
    const store = await import("../src/conversations/store");
    await store.start();
    return store;
}
const wait = async (good: () => boolean | Promise<boolean>) => vi.waitFor(async () => expect(await good()).toBe(true));

beforeEach(async () => {
    for (const c of await db.allConversations()) await db.dropConversation(c.id);
});

async function conversation() {
    const store = await page();
    const id = store.current.value.id;
    const q: Message = {...message("q", "", 1), conversation: id, text: "What is it?"};
    const a: Message = {...message("a", "q", 2), conversation: id};
    await store.add([q, a]);
    return {store, id, q, a};
}

test("the first message makes the conversation, named by it", async () => {
    const {store, id} = await conversation();
    expect(store.list.value.map((c) => c.title)).toEqual(["What is it?"]);
    expect(store.currentId.value).toBe(id);
    expect(store.path.value.map((m) => m.id)).toEqual(["q", "a"]);
    const again = await page();
    again.open(id);
    await wait(() => again.path.value.length === 2);
});

test("what begins before all is read stays", async () => {
    const {id} = await conversation();
    vi.resetModules();
    const store = await import("../src/conversations/store");
    const started = store.start();
    const early = store.current.value.id;
    const added = store.add([{...message("q2", "", 1), conversation: early, text: "Early"}]);
    await started;
    expect(store.list.value.map((c) => c.id).sort()).toEqual([id, early].sort());
    expect(store.missing.value).toBe(false);
    expect(await added).toBe(true);
    await store.whole();
    expect(store.path.value.map((m) => m.id)).toEqual(["q2"]);
});

test("an answer whose tab is gone is cut, and keeps its text", async () => {
    const {id, a} = await conversation();
    await db.putMessage({...a, state: "streaming", text: "half an", touched: 1});
    const store = await page();
    store.open(id);
    await wait(() => store.path.value[1]?.state === "cut");
    expect(store.path.value[1]?.text).toBe("half an");
    expect((await db.messagesOf(id)).find((m) => m.id === "a")?.state).toBe("cut");
});

test("an answer that ended just before its page went is whole", async () => {
    const {id, a} = await conversation();
    await db.putMessage({...a, state: "streaming", text: "half an", touched: 1});
    localStorage.setItem("dgon.left.a", JSON.stringify({text: "half an answer", reasoning: "", state: "done"}));
    const store = await page();
    store.open(id);
    await wait(() => store.path.value[1]?.state === "done");
    expect(store.path.value[1]).toMatchObject({text: "half an answer"});
    expect(store.path.value[1]).not.toHaveProperty("trouble");
});

test("a change whose page goes at once is kept", async () => {
    const {store, id} = await conversation();
    store.change(id, {pinned: true});
    store.change(id, {title: "Another"});
    const left = localStorage.getItem(`dgon.left.change.${id}`);
    expect(JSON.parse(left ?? "")).toEqual({pinned: true, title: "Another"});
    await wait(() => localStorage.getItem(`dgon.left.change.${id}`) === null);
    // a page whose database heard of it no more
    await db.changeConversation(id, {pinned: false, title: "What is it?"});
    localStorage.setItem(`dgon.left.change.${id}`, left ?? "");
    localStorage.setItem("dgon.left.change.half", '{"pinned":');
    localStorage.setItem("dgon.left.change.gone", '{"pinned": true}');
    const again = await page();
    expect(again.list.value.map((c) => [c.title, c.pinned])).toEqual([["Another", true]]);
    expect(Object.keys(localStorage).filter((k) => k.startsWith("dgon.left.change."))).toEqual([]);
});

test("an answer of which nothing came has failed", async () => {
    const {id, a} = await conversation();
    await db.putMessage({...a, state: "streaming", text: "", touched: 1});
    const store = await page();
    store.open(id);
    await wait(() => store.path.value[1]?.state === "failed");
});

test("versions: another answer, and back", async () => {
    const {store, id} = await conversation();
    await store.add([{...message("b", "q", 4), conversation: id}]);
    expect(store.path.value.map((m) => m.id)).toEqual(["q", "b"]);
    store.choose("a");
    expect(store.path.value.map((m) => m.id)).toEqual(["q", "a"]);
});

test("a deleted message takes what followed, and shows the other version", async () => {
    const {store, id} = await conversation();
    await store.add([{...message("b", "q", 4), conversation: id}]);
    await store.add([{...message("r", "b", 5), conversation: id}]);
    store.removeMessage("b");
    expect(store.path.value.map((m) => m.id)).toEqual(["q", "a"]);
    await wait(async () => (await db.messagesOf(id)).length === 2);
});

test("deleted messages come back though the page of their undo goes at once", async () => {
    const {store, id, q, a} = await conversation();
    const toast = vi.spyOn(await import("../src/ui/toasts"), "toast");
    store.removeMessage("q");
    await wait(async () => (await db.messagesOf(id)).length === 0);
    toast.mock.lastCall?.[1]?.run();
    const left = localStorage.getItem("dgon.left.undone.q") ?? "";
    expect(JSON.parse(left)).toEqual([q, a]);
    await wait(() => localStorage.getItem("dgon.left.undone.q") === null);
    expect(await db.messagesOf(id)).toHaveLength(2);
    // a page whose database heard of it no more
    await db.dropMessages(["q", "a"]);
    localStorage.setItem("dgon.left.undone.q", left);
    localStorage.setItem("dgon.left.undone.half", '[{"id":');
    localStorage.setItem("dgon.left.undone.none", '[1, null, {"id": 1}, {"id": "x"}]');
    localStorage.setItem("dgon.left.undone.gone", JSON.stringify([{...q, id: "g", conversation: "gone"}]));
    const again = await page();
    again.open(id);
    await wait(() => again.path.value.map((m) => m.id).join() === "q,a");
    expect(await db.messagesOf("gone")).toEqual([]);
    expect(Object.keys(localStorage).filter((k) => k.startsWith("dgon.left."))).toEqual([]);
});

test("a deleted conversation is away at once, and for good only later", async () => {
    const {store, id} = await conversation();
    store.remove(id);
    expect(store.list.value).toEqual([]);
    await wait(async () => ((await db.getConversation(id))?.deleted ?? 0) > 0);
    expect((await db.messagesOf(id)).length).toBe(2);
    await db.changeConversation(id, {deleted: 1});
    await page();
    expect(await db.getConversation(id)).toBeUndefined();
    expect(await db.messagesOf(id)).toEqual([]);
});

test("only what is changed is written: another tab's change stays", async () => {
    const {store, id} = await conversation();
    await db.changeConversation(id, {pinned: true});
    store.rename(id, "  New name  ");
    await wait(async () => (await db.getConversation(id))?.title === "New name");
    expect(await db.getConversation(id)).toMatchObject({pinned: true, named: true});
});

test("news of another tab that was on its way does not take back what is changed here meanwhile", async () => {
    const {id} = await conversation();
    vi.resetModules();
    const listen = vi.spyOn(await import("../src/conversations/tabs"), "listen");
    const store = await import("../src/conversations/store");
    await store.start();
    await db.changeConversation(id, {pinned: true});
    listen.mock.lastCall?.[0]({what: "conversation", id});
    store.rename(id, "Mine");
    await wait(() => store.list.value[0]?.pinned === true);
    expect(store.list.value[0]).toMatchObject({title: "Mine", pinned: true});
});

test("an address of no conversation says so", async () => {
    const store = await page();
    store.open("nobody");
    expect(store.missing.value).toBe(true);
});
