import {expect, test} from "vitest";
import {grouped} from "../src/conversations/dates";
import {newestLeaf, pathTo, siblings, subtree, titleOf} from "../src/conversations/tree";
import type {Conversation, Message} from "../src/conversations/types";
import {message} from "./message";

const all = [message("q", "", 1), message("a", "q", 2), message("b", "q", 4), message("r", "b", 5), message("s", "r", 6)];
const tree = new Map(all.map((m) => [m.id, m]));
const ids = (ms: Message[]) => ms.map((m) => m.id);

test("the path to a leaf", () => {
    expect(ids(pathTo(tree, "s"))).toEqual(["q", "b", "r", "s"]);
    expect(pathTo(tree, "none")).toEqual([]);
});

test("a loop ends", () => {
    const loop = new Map([message("x", "y", 1), message("y", "x", 2)].map((m) => [m.id, m]));
    expect(ids(pathTo(loop, "x")).length).toBe(2);
    expect(newestLeaf(loop, "x")).toBe("y");
    expect(subtree(loop, "x")).toEqual(["x", "y"]);
});

test("versions and branches", () => {
    const b = tree.get("b");
    expect(b && ids(siblings(tree, b))).toEqual(["a", "b"]);
    expect(newestLeaf(tree, "q")).toBe("s");
    expect(newestLeaf(tree, "a")).toBe("a");
    expect(subtree(tree, "b")).toEqual(["b", "r", "s"]);
});

test("titles", () => {
    expect(titleOf("# Hello\n\n  *world*")).toBe("Hello world");
    expect([...titleOf("🙂".repeat(100))].length).toBe(60);
    expect(titleOf("   ")).toBe("");
});

test("groups by age", () => {
    const now = new Date(2026, 5, 15, 12).getTime();
    const c = (id: string, days: number, pinned = false) => ({id, pinned, updated: now - days * 86_400_000}) as Conversation;
    const groups = grouped([c("p", 50, true), c("1", 0), c("2", 1), c("3", 3), c("4", 20), c("5", 90)], now);
    expect(groups.map(([key, cs]) => [key, ...cs.map((x) => x.id)])).toEqual([
        ["list.pinned", "p"], ["list.today", "1"], ["list.yesterday", "2"], ["list.week", "3"], ["list.month", "4"], ["list.older", "5"],
    ]);
});
