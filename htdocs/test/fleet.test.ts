import {afterEach, beforeEach, describe, expect, it, vi} from "vitest";
import {backoff} from "../src/api/backoff";
import {type Agent, type Fleet, invite, readFleet} from "../src/api/fleet";
import {signedOut} from "../src/api/request";
import type {Trouble} from "../src/api/trouble";
import {announce} from "../src/fleet/announce";
import {sortAgents, sortModels, sortOffers} from "../src/fleet/sort";
import * as store from "../src/fleet/store";
import {ago, clock, errorWords, goodFor, headline, inviteRefusal, news, refusal, since, stateWhy} from "../src/fleet/words";
import * as models from "../src/models/store";
import * as toasts from "../src/ui/toasts";
import {en} from "../src/i18n/en";

const agent = (id: string, more: object = {}) => ({
    id, state: "up", links: 1, slots: 4, busy: 1, version: "0.1.0", os: "linux", address: "10.0.0.1", since: 1000, connects: 1, done: 5,
    failed: 0, last_error: null, models: [{id: "m", loaded: true, context_length: 4096, capabilities: ["completion"], tokens_per_second: 12.5}], ...more,
});
const model = (id: string, more: object = {}) => ({id, agents: 1, slots: 4, busy: 1, queued: 0, loaded: true, context_length: 4096, capabilities: ["completion"], ...more});
const status = (agents: object[], modelsNow: object[] = [model("m")], queued = 0) => ({
    type: "cluster_status",
    data: {
        gateway: {version: "0.1.0", children: 2}, agents, models: modelsNow, slots: {total: 12, busy: 2},
        jobs: {queued, admitted: 9, ok: 5, failed: 1, cancelled: 1, refused: 1, retries: 1},
    },
});
const read = (agents: object[], queued = 0): Fleet => readFleet(status(agents, [], queued));
const one = (more: object): Agent => {
    const a = read([agent("a", more)]).agents[0];
    if (!a) throw new Error("no agent");
    return a;
};

describe("what the gateway tells", () => {
    it("is read", () => {
        expect(one({last_error: {at: 2000, status: 504, code: "timeout"}})).toEqual({
            id: "a", state: "up", slots: 4, busy: 1, version: "0.1.0", os: "linux", address: "10.0.0.1", since: 1_000_000, done: 5, failed: 0,
            lastError: {at: 2_000_000, status: 504, code: "timeout"},
            models: [{id: "m", loaded: true, context: 4096, can: ["completion"], rate: 12.5}],
        });
    });
    it("is read where half of it is missing or of another kind", () => {
        const f = readFleet({type: "cluster_status", data: {agents: [{id: "a", slots: "4", busy: -1, state: "odd", models: {}}, {}, null, 7]}});
        expect(f.agents).toEqual([
            {id: "a", state: "away", slots: 0, busy: 0, version: "", os: "", address: "", since: 0, done: 0, failed: 0, lastError: null, models: []},
        ]);
        expect([f.models, f.slots.total, f.jobs.queued]).toEqual([[], 0, 0]);
    });
    it.each([null, {}, {type: "cluster_status"}, {type: "model_list", data: []}, {type: "cluster_status", data: {agents: {}}}])("%j is no fleet", (v) =>
        expect(() => readFleet(v)).toThrow("alien"),
    );
});

describe("words", () => {
    it.each([
        [[agent("a"), agent("b"), agent("c")], 0, "3 machines are up, 2 of 12 slots are busy, nobody waits."],
        [[agent("a"), agent("b", {state: "away"})], 1, "1 machine is up, 2 of 12 slots are busy, 1 request waits."],
        [[agent("a")], 1234, "1 machine is up, 2 of 12 slots are busy, 1,234 requests wait."],
        [[agent("a", {state: "held"})], 0, en["fleet.head.allAway"]],
        [[], 0, en["fleet.head.empty"]],
    ])("headline %#", (agents, queued, words) => expect(headline(read(agents, queued))).toBe(words));
    it("one busy slot", () => expect(headline({...read([agent("a")]), slots: {total: 4, busy: 1}})).toContain("1 of 4 slots is busy"));
    it.each([[0, "just now"], [59, "just now"], [60, "1 minute ago"], [190, "3 minutes ago"], [7300, "2 hours ago"], [200_000, "2 days ago"], [-50, "just now"]])(
        "%d s are %s", (s, words) => expect(ago(0, s * 1000)).toBe(words),
    );
    it("since when", () => {
        expect(since(one({}), 1_180_000)).toBe("Connected 3 minutes ago");
        expect(since(one({state: "away"}), 1_180_000)).toBe("Last seen 3 minutes ago");
        expect([since(one({state: "away", since: 0}), 0), since(one({since: 0}), 0)]).toEqual(["Not connected", ""]);
    });
    it("says the date only where it is another day", () => {
        expect(clock(86400_000 * 30, 0)).toContain("1970");
        expect(clock(3600_000, 0)).not.toContain("1970");
    });
    it.each([
        ["timeout", 504, "fleet.error.timeout"], ["odd", 504, "fleet.error.timeout"], ["upstream_error", 502, "fleet.error.upstream"], ["", 0, "fleet.error.unknown"],
    ] as const)("error %s %d", (code, number, key) => expect(errorWords({code, status: number})).toBe(en[key]));
    it("an error without words keeps its number, and shows no code of the server's", () => {
        expect(errorWords({code: "<b>", status: 418})).toBe("an error with the number 418.");
    });
    it.each([["signin", "signin"], ["forbidden", "forbidden"], ["model", "closed"], ["alien", "closed"], ["offline", "unreachable"], ["server", "unreachable"]] as const)(
        "%s is %s", (kind, which) => expect(refusal(kind).title).toBe(en[`fleet.refused.${which}`]),
    );
    it("states explain themselves, but for the plain one", () => {
        expect([stateWhy("up"), stateWhy("held")]).toEqual(["", en["fleet.why.held"]]);
    });
    it.each([[3600, "60 minutes"], [7200, "2 hours"], [60, "60 seconds"], [604_800, "7 days"], [0, ""], [-1, ""], [0.2, "1 second"]])(
        "a code is good for %d s: %s", (s, words) => expect(goodFor(s * 1000, 0)).toBe(words),
    );
});

describe("orders", () => {
    const all = read([
        agent("b10", {busy: 4}), agent("b9", {busy: 0, models: [{id: "m", tokens_per_second: 99}]}), agent("a", {state: "away", busy: 4}), agent("c", {state: "held"}),
    ]).agents;
    it.each([["name", "b9 b10 c a"], ["busy", "b10 c b9 a"], ["speed", "b9 b10 c a"], ["state", "b9 b10 c a"]] as const)("%s", (order, ids) =>
        expect(sortAgents(all, order).map((a) => a.id).join(" ")).toBe(ids),
    );
    it("of models, both ways, with equal ones by name", () => {
        const f = readFleet(status([], [model("b", {queued: 3}), model("a"), model("c")]));
        expect(sortModels(f.models, "queued", true).map((m) => m.id)).toEqual(["b", "a", "c"]);
        expect(sortModels(f.models, "queued", false).map((m) => m.id)).toEqual(["a", "c", "b"]);
        expect(sortModels(f.models, "id", true).map((m) => m.id)).toEqual(["c", "b", "a"]);
    });
    it("of a machine's models: what is loaded first", () => {
        expect(sortOffers([{id: "a", loaded: false}, {id: "b", loaded: true}]).map((m) => m.id)).toEqual(["b", "a"]);
    });
});

/** A stream that the test writes. */
class Server {
    asked: string[] = [];
    ended = 0;
    reply: (path: string) => Response | Promise<Response> = () => this.stream();
    private out: ReadableStreamDefaultController<Uint8Array> | undefined;
    private init: RequestInit | undefined;
    fetch = async (url: URL, init?: RequestInit): Promise<Response> => {
        this.asked.push(url.pathname + url.search);
        this.init = init;
        if (url.pathname.endsWith("/v1/models")) return new Response('{"data":[]}');
        return this.reply(url.pathname + url.search);
    };
    stream(): Response {
        const signal = this.init?.signal;
        const body = new ReadableStream<Uint8Array>({
            start: (c) => {
                this.out = c;
                signal?.addEventListener("abort", () => {
                    this.ended++;
                    c.error(new DOMException("", "AbortError"));
                });
            },
            cancel: () => void this.ended++,
        });
        return new Response(body, {headers: {"Content-Type": "text/event-stream", Date: new Date(Date.now() + 3600_000).toUTCString()}});
    }
    write(text: string): void {
        this.out?.enqueue(new TextEncoder().encode(text));
    }
    send(v: unknown): void {
        this.write(`data: ${JSON.stringify(v)}\n\n`);
    }
    close(): void {
        this.out?.close();
    }
    get looks(): string[] {
        return this.asked.filter((x) => x.includes("cluster"));
    }
}

describe("the store", () => {
    let server: Server;
    const ends: (() => void)[] = [];
    const settle = (ms = 1) => vi.advanceTimersByTimeAsync(ms);
    const hide = (hidden: boolean) => {
        vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
        document.dispatchEvent(new Event("visibilitychange"));
    };
    const watch = async () => {
        ends.push(store.watch());
        await settle();
    };
    beforeEach(() => {
        vi.useFakeTimers();
        server = new Server();
        vi.stubGlobal("fetch", server.fetch);
        store.fleet.value = null;
        store.why.value = "";
        signedOut.value = false;
    });
    afterEach(async () => {
        for (const end of ends.splice(0)) end();
        await settle();
        vi.restoreAllMocks();
        vi.unstubAllGlobals();
        vi.useRealTimers();
    });

    it("one stream for two watchers, and none afterwards", async () => {
        await watch();
        await watch();
        expect(server.asked).toEqual(["/cluster/status?stream=1"]);
        ends.pop()?.();
        await settle();
        expect([server.ended, store.link.value]).toEqual([0, "connecting"]);
        ends.pop()?.();
        await settle(60_000);
        expect([server.ended, store.link.value, server.asked.length]).toEqual([1, "off", 1]);
    });
    it("tells what comes, cut anywhere, and the newest of what comes at once", async () => {
        await watch();
        const text = `data: ${JSON.stringify(status([agent("é")]))}\n\n`;
        for (const c of text) server.write(c);
        await settle();
        expect([store.link.value, store.fleet.value?.agents[0]?.id]).toEqual(["live", "é"]);
        server.write(`data: ${JSON.stringify(status([agent("old")]))}\n\ndata: ${JSON.stringify(status([agent("new")]))}\n\n`);
        await settle();
        expect(store.fleet.value?.agents[0]?.id).toBe("new");
        expect(store.ahead.value).toBeGreaterThan(3_500_000);
    });
    it("none while the page is hidden", async () => {
        await watch();
        hide(true);
        await settle(120_000);
        expect([server.ended, server.asked.length]).toEqual([1, 1]);
        hide(false);
        await settle();
        expect(server.asked.length).toBe(2);
    });
    it("comes back when the stream ends, and keeps what it knew", async () => {
        await watch();
        server.send(status([agent("a")]));
        await settle();
        server.close();
        await settle();
        expect([store.link.value, store.why.value, store.fleet.value?.agents.length]).toEqual(["waiting", "cut", 1]);
        await settle(1000);
        server.send(status([agent("b")]));
        await settle();
        expect([store.link.value, store.why.value, store.fleet.value?.agents[0]?.id]).toEqual(["live", "", "b"]);
    });
    it("tries less and less often where nobody answers", async () => {
        server.reply = () => Promise.reject(new TypeError("no network"));
        await watch();
        await settle(600_000);
        expect(server.looks.length).toBeGreaterThan(18);
        expect(server.looks.length).toBeLessThan(50);
        expect(store.why.value).toBe("offline");
    });
    it.each([[401, "signin"], [403, "forbidden"], [404, "model"], [200, "alien"]] as const)("after %d it asks no more, until somebody wants it", async (code, kind) => {
        server.reply = () => new Response("<html>", {status: code, headers: {"Content-Type": "text/html"}});
        await watch();
        await settle(600_000);
        expect([server.looks.length, store.link.value, store.why.value]).toEqual([1, "refused", kind]);
        expect(signedOut.value).toBe(false);
        server.reply = () => server.stream();
        store.again();
        await settle();
        server.send(status([]));
        await settle();
        expect(store.link.value).toBe("live");
    });
    it("all streams taken: looks once, and waits longer", async () => {
        server.reply = (path) =>
            path.includes("stream")
                ? new Response('{"error":{"message":"x","code":"no_capacity"}}', {status: 503, headers: {"Retry-After": "5"}})
                : new Response(JSON.stringify(status([agent("a")])));
        await watch();
        await settle();
        expect([server.looks, store.fleet.value?.agents.length, store.why.value]).toEqual([["/cluster/status?stream=1", "/cluster/status"], 1, ""]);
        await settle(60_000);
        expect(server.looks.length).toBeLessThanOrEqual(2 + 2 * 8);
    });
    it.each(["data: {\n\n", 'data: {"type":"model_list","data":[]}\n\n'])("%j ends it", async (text) => {
        await watch();
        server.write(text);
        await settle();
        expect([store.link.value, store.why.value, server.ended]).toEqual(["refused", "alien", 1]);
    });
    it("an event without end ends it", async () => {
        await watch();
        server.write("data: ");
        for (let i = 0; i < 17; i++) server.write("x".repeat(1024 * 1024));
        await settle();
        expect(store.why.value).toBe("alien");
    });
    it("silence ends it", async () => {
        await watch();
        server.send(status([]));
        await settle(46_000);
        expect(server.ended).toBe(1);
        expect(server.looks.length).toBe(2);
    });
    it("the list of models is asked for when the fleet's has changed, not for each request", async () => {
        const soon = vi.spyOn(models, "refreshSoon");
        await watch();
        server.send(status([agent("a")], [model("m")]));
        await settle();
        server.send(status([agent("a")], [model("m", {busy: 4, queued: 2})]));
        await settle();
        expect(soon).not.toHaveBeenCalled();
        server.send(status([agent("a")], [model("m", {loaded: false})]));
        await settle();
        expect(soon).toHaveBeenCalledTimes(1);
    });
    it("screen readers are told that machines come and go, and seldom", () => {
        const say = vi.spyOn(toasts, "say");
        ends.push(announce());
        store.fleet.value = read([agent("a")]);
        expect(say).not.toHaveBeenCalled();
        store.fleet.value = read([agent("a", {busy: 3})]);
        expect(say).not.toHaveBeenCalled();
        store.fleet.value = read([agent("a"), agent("b")]);
        store.fleet.value = read([]);
        store.fleet.value = read([agent("a")], 5);
        expect(say.mock.calls).toEqual([["2 machines are up"]]);
        vi.advanceTimersByTime(11_000);
        expect(say.mock.calls).toEqual([["2 machines are up"], [news(read([agent("a")], 5))]]);
    });
});

describe("inviting a machine", () => {
    const reply = (body: string, code = 200) => vi.stubGlobal("fetch", async () => new Response(body, {status: code}));
    afterEach(() => vi.unstubAllGlobals());
    it("gives both commands and how long they are good", async () => {
        reply('{"command":"sudo x","powershell":"y","code":"C","gateway":"g","expires":"2026-01-02T03:04:05Z","uses":2}');
        expect(await invite()).toEqual({bash: "sudo x", powershell: "y", expires: Date.UTC(2026, 0, 2, 3, 4, 5), uses: 2});
    });
    it.each([["{}", 200], ["<html>", 200], ["[]", 200]])("%s is none", async (body, code) => {
        reply(body, code);
        await expect(invite()).rejects.toThrow("alien");
    });
    it.each([[401, "fleet.join.admin"], [403, "fleet.join.admin"], [404, "fleet.join.admin"], [429, "fleet.join.many"], [503, "fleet.join.failed"]] as const)(
        "%d is told in words", async (code, key) => {
            reply("{}", code);
            const e = await invite().catch((x: Trouble) => x);
            expect("kind" in e && inviteRefusal(e.kind)).toBe(en[key]);
            expect(signedOut.value).toBe(false);
        },
    );
});

it("waiting doubles, is spread, and has an end", () => {
    expect([0, 1, 2, 10, 1e9].map((n) => backoff(n, 1000, 30_000, 1))).toEqual([1000, 2000, 4000, 30_000, 30_000]);
    expect(backoff(3, 1000, 30_000, 0)).toBe(4000);
});
