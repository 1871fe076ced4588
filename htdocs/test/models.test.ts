import {afterEach, beforeEach, describe, expect, it, vi} from "vitest";
import {readModels} from "../src/api/models";
import {see} from "../src/api/request";
import {Trouble} from "../src/api/trouble";
import {config} from "../src/api/config";
import * as conversations from "../src/conversations/store";
import {beforeName, contextText, find, offer, pieces, place, plain, shortName, typedTo} from "../src/models/list";
import * as store from "../src/models/store";
import {lastModel} from "../src/settings/prefs";

const entry = (id: string, more: object = {}) => ({id, object: "model", ...more});
const dgon = (id: string, loaded: boolean, can = ["completion"]) =>
    entry(id, {context_length: 131072, capabilities: can, dgon: {agents: 2, loaded}});
const listOf = (...data: object[]) => ({object: "list", data});
const answer = (body: unknown, status = 200) =>
    new Response(typeof body === "string" ? body : JSON.stringify(body), {status, headers: {"Content-Type": "application/json"}});

describe("a list of models", () => {
    it("takes what any server tells", () => {
        expect(readModels(listOf(entry("a"), dgon("b", true, ["completion", "vision", "unheard-of"])))).toEqual([
            {id: "a", context: 0, can: []},
            {id: "b", context: 131072, can: ["completion", "vision"], agents: 2, loaded: true},
        ]);
    });
    it("leaves out what is no model, and what comes twice", () => {
        expect(readModels(listOf({}, entry(""), entry("x".repeat(513)), entry("a"), entry("a"))).map((m) => m.id)).toEqual(["a"]);
        expect(readModels({data: [null, 3, "x", {id: 7}]})).toEqual([]);
    });
    it.each([null, [], "x", {}, {data: {}}])("%j is none", (v) => expect(() => readModels(v)).toThrow("alien"));
    it("offers no embedding-only model, and sorts by short names", () => {
        const all = readModels(listOf(dgon("z/Alpha", true), dgon("embed", true, ["embedding"]), dgon("m10", true), dgon("m9", true), dgon("both", true, ["completion", "embedding"])));
        expect(offer(all).map((m) => m.id)).toEqual(["z/Alpha", "both", "m9", "m10"]);
    });
});

describe("names", () => {
    it.each([
        ["llama3.3:70b", "", "llama3.3:70b"],
        ["hf.co/unsloth/Qwen3-32B:Q4", "hf.co/unsloth/", "Qwen3-32B:Q4"],
        ["ends/", "", "ends/"],
    ])("%s", (id, before, last) => expect([beforeName(id), shortName(id)]).toEqual([before, last]));
    it("break where people would break them, and lose nothing", () => {
        expect(pieces("hf.co/Qwen3-Coder_v2.5:Q4")).toEqual(["hf.", "co/", "Qwen3-", "Coder_", "v2.5:", "Q4"]);
        for (const x of ["", "a", "--", "a--b", "1.5.", "\n/x"]) expect(pieces(x).join("")).toBe(x);
    });
    it("show what would turn them around", () => expect(plain("a\u202eexe.png\n")).toBe("a\ufffdexe.png\ufffd"));
    it.each([[512, "512"], [4096, "4K"], [8000, "8K"], [40960, "40K"], [131072, "128K"], [200000, "200K"], [1000000, "1M"], [1048576, "1M"], [10000000, "10M"], [4500, "4.4K"]])(
        "%d tokens are %s", (n, words) => expect(contextText(n)).toBe(words),
    );
});

describe("keys in a list", () => {
    it.each([
        ["ArrowDown", 2, 0], ["ArrowUp", 0, 2], ["Home", 2, 0], ["End", 0, 2], ["PageDown", 0, 2], ["PageUp", 2, 0], ["x", 1, undefined],
    ] as const)("%s from %d is %s", (key, at, to) => expect(place(key, at, 3)).toBe(to));
    it("lead nowhere in an empty one", () => expect(place("End", 0, 0)).toBeUndefined());
    const models = readModels(listOf(entry("org/gemma"), entry("gpt"), entry("llama")));
    it.each([["g", 0, 1], ["g", 1, 0], ["gg", 0, 1], ["ge", 1, 0], ["l", 0, 2], ["org/", 2, 0], ["x", 0, -1], ["gp", 1, 1]])(
        "%s typed at %d finds %d", (typed, at, to) => expect(typedTo(models, typed, at)).toBe(to),
    );
    it("finds every word", () => expect(find(models, " GEM org ").map((m) => m.id)).toEqual(["org/gemma"]));
});

describe("the store", () => {
    let end: () => void;
    let body: unknown;
    let status: number;
    const asked = vi.fn();
    const settle = () => vi.advanceTimersByTimeAsync(1);
    const hide = (hidden: boolean) => {
        vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
        document.dispatchEvent(new Event("visibilitychange"));
    };
    beforeEach(async () => {
        vi.useFakeTimers();
        body = listOf(dgon("cold", false), dgon("warm", true));
        status = 200;
        asked.mockClear();
        vi.stubGlobal("fetch", async (url: URL, init?: RequestInit) => {
            asked(url.pathname, init?.redirect);
            if (status === 0) throw new TypeError("no network");
            return answer(body, status);
        });
        lastModel.value = "";
        config.value = {};
        conversations.change(conversations.current.peek().id, {model: ""});
        end = store.start();
        await settle();
    });
    afterEach(() => {
        end();
        vi.restoreAllMocks();
        vi.unstubAllGlobals();
        vi.useRealTimers();
    });

    it("asks at the start and each minute", async () => {
        expect(asked.mock.calls).toEqual([["/v1/models", "manual"]]);
        await vi.advanceTimersByTimeAsync(70_000);
        expect(asked).toHaveBeenCalledTimes(2);
    });
    it("asks nothing while the page is hidden, and at once when it is seen again", async () => {
        hide(true);
        await vi.advanceTimersByTimeAsync(600_000);
        expect(asked).toHaveBeenCalledTimes(1);
        hide(false);
        await settle();
        expect(asked).toHaveBeenCalledTimes(2);
    });
    it.each([["model_not_found", 404], ["no_capacity", 503]])("asks again when a request met %s, once for many", async (code, status) => {
        for (let i = 0; i < 5; i++) see(new Trouble("busy", "", {code, status}));
        await vi.advanceTimersByTimeAsync(10_000);
        expect(asked).toHaveBeenCalledTimes(2);
    });
    it("asks all the time while the list is open, and no longer", async () => {
        const closed = store.watch();
        await vi.advanceTimersByTimeAsync(20_100);
        expect(asked).toHaveBeenCalledTimes(12);
        closed();
        await vi.advanceTimersByTimeAsync(50_000);
        expect(asked).toHaveBeenCalledTimes(12);
        await vi.advanceTimersByTimeAsync(20_000);
        expect(asked).toHaveBeenCalledTimes(13);
    });
    it("not while the list is open in a hidden page", async () => {
        const closed = store.watch();
        await settle();
        hide(true);
        asked.mockClear();
        await vi.advanceTimersByTimeAsync(60_000);
        expect(asked).not.toHaveBeenCalled();
        closed();
    });
    it("looks soon for a model that is away, then ever more seldom", async () => {
        store.choose("cold");
        body = listOf(dgon("warm", true));
        await store.refresh();
        asked.mockClear();
        await vi.advanceTimersByTimeAsync(5000);
        expect(asked).toHaveBeenCalledTimes(1);
        await vi.advanceTimersByTimeAsync(600_000);
        expect(asked.mock.calls.length).toBeLessThan(30);
        body = listOf(dgon("cold", false), dgon("warm", true));
        await vi.advanceTimersByTimeAsync(60_000);
        expect(store.away.value).toBe(false);
        await store.refresh();
        asked.mockClear();
        await vi.advanceTimersByTimeAsync(50_000);
        expect(asked).not.toHaveBeenCalled();
    });
    it("keeps the list when the server goes, and comes back by itself", async () => {
        status = 0;
        await store.refresh();
        expect(store.state.value).toBe("offline");
        expect(store.models.value).toHaveLength(2);
        status = 200;
        await vi.advanceTimersByTimeAsync(20_000);
        expect(store.state.value).toBe("ready");
    });
    it("does not ask again and again who is signed out", async () => {
        status = 401;
        await store.refresh();
        asked.mockClear();
        await vi.advanceTimersByTimeAsync(600_000);
        expect([store.state.value, asked.mock.calls.length]).toEqual(["signin", 0]);
    });
    it.each(["<html>", "[", "{}"])("says that %s is no answer", async (text) => {
        body = text;
        await store.refresh();
        expect(store.state.value).toBe("alien");
    });
    it("one question at a time", async () => {
        void store.refresh();
        await store.refresh();
        expect(asked).toHaveBeenCalledTimes(2);
    });
    it("gives up an answer that does not come", async () => {
        vi.stubGlobal("fetch", (_: URL, init: RequestInit) =>
            new Promise((_done, fail) => init.signal?.addEventListener("abort", () => fail(new DOMException("", "AbortError")))));
        void store.refresh();
        await vi.advanceTimersByTimeAsync(21_000);
        expect(store.state.value).toBe("timeout");
    });

    it("chooses: the conversation's, the last one, the administrator's, the first that is loaded", () => {
        expect(store.chosen.value).toBe("warm");
        config.value = {default_model: "cold"};
        expect(store.chosen.value).toBe("cold");
        lastModel.value = "warm";
        expect(store.chosen.value).toBe("warm");
        conversations.change(conversations.current.peek().id, {model: "other"});
        expect(store.chosen.value).toBe("other");
        expect(store.away.value).toBe(true);
    });
    it("takes no last model of another gateway, and no default that is not there", () => {
        lastModel.value = "never-here";
        config.value = {default_model: "nor-this"};
        expect(store.chosen.value).toBe("warm");
    });
    it("a model that went away stays named", async () => {
        store.choose("cold");
        conversations.change(conversations.current.peek().id, {model: ""});
        body = listOf(dgon("warm", true));
        await store.refresh();
        expect([store.chosen.value, store.away.value, store.chosenModel.value]).toEqual(["cold", true, undefined]);
        body = listOf();
        await store.refresh();
        expect([store.chosen.value, store.away.value]).toEqual(["cold", true]);
    });
    it("choosing is kept with the conversation and for the next one", () => {
        store.choose("cold");
        expect([conversations.current.value.model, lastModel.value]).toEqual(["cold", "cold"]);
    });
});
