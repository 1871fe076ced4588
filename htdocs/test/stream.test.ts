import {describe, expect, test} from "vitest";
import {type ChatEvent, readChunk, readComment, readStream} from "../src/api/stream";
import {Trouble} from "../src/api/trouble";
import {hostile} from "./hostile";

const body = (parts: Uint8Array[], end: "close" | "error" = "close") =>
    new ReadableStream<Uint8Array>({
        pull(c) {
            const p = parts.shift();
            if (p) c.enqueue(p);
            else if (end === "close") c.close();
            else c.error(new TypeError("network error"));
        },
    });
const bytes = (s: string) => new TextEncoder().encode(s);
const chunk = (delta: object, finish: string | null = null) =>
    `data: ${JSON.stringify({model: "m", choices: [{index: 0, delta, finish_reason: finish}]})}\n\n`;

async function collect(parts: Uint8Array[], end: "close" | "error" = "close"): Promise<{events: ChatEvent[]; error: unknown}> {
    const events: ChatEvent[] = [];
    try {
        await readStream(body(parts, end), (e) => events.push(e), new AbortController().signal);
        return {events, error: undefined};
    } catch (error) {
        return {events, error};
    }
}
const textOf = (events: ChatEvent[]) => events.map((e) => (e.type === "text" ? e.text : "")).join("");
const kindOf = (e: unknown) => (e instanceof Trouble ? e.kind : e);

const whole =
    ": queued 2\n\n" + chunk({reasoning_content: "hm"}) + chunk({content: "grüß "}) + ": ping\n\n" + chunk({content: "dich 🙂"}) + chunk({}, "stop") +
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\n\ndata: [DONE]\n\n';

describe("a stream", () => {
    test("is read the same wherever it is cut", async () => {
        const b = bytes(whole);
        const {events: one} = await collect([b]);
        expect(textOf(one)).toBe("grüß dich 🙂");
        expect(one).toContainEqual({type: "queued", place: 2});
        expect(one).toContainEqual({type: "usage", prompt: 3, completion: 4});
        for (let i = 1; i < b.length; i++) {
            const {events, error} = await collect([b.slice(0, i), b.slice(i)]);
            expect(error, `cut at ${i}`).toBeUndefined();
            expect(events).toEqual(one);
        }
    });
    test("that ends in its middle is cut, and what came is told", async () => {
        const {events, error} = await collect([bytes(chunk({content: "half"}))]);
        expect(textOf(events)).toBe("half");
        expect(kindOf(error)).toBe("cut");
    });
    test("that the network breaks is cut too", async () => {
        expect(kindOf((await collect([bytes(chunk({content: "half"}))], "error")).error)).toBe("cut");
    });
    test("without anything is empty", async () => {
        expect(kindOf((await collect([])).error)).toBe("empty");
    });
    test("of what is no JSON is none of ours", async () => {
        expect(kindOf((await collect([bytes("data: {half\n\n")])).error)).toBe("alien");
    });
    test("with an error says it", async () => {
        const {error} = await collect([bytes(chunk({content: "a"}) + 'data: {"error":{"message":"gone","code":null}}\n\ndata: [DONE]\n\n')]);
        expect(error).toMatchObject({kind: "cut", message: "gone"});
    });
    test("of one endless line is given up", async () => {
        const big = bytes("x".repeat(1024 * 1024));
        const parts = Array.from({length: 6}, () => big);
        expect(kindOf((await collect([bytes("data: "), ...parts])).error)).toBe("alien");
    });
    test("that is aborted throws the abort", async () => {
        const abort = new AbortController();
        const work = readStream(new ReadableStream(), () => undefined, abort.signal);
        abort.abort();
        await expect(work).rejects.toMatchObject({name: "AbortError"});
    });
});

/** Of a long text, whose parts are all alike. */
const SOME = 4000;

describe("byte by byte", () => {
    /** Lone halves of letters come as escapes, all other letters as their bytes, each in a piece of its own. */
    test("hostile answers arrive as they are, and what means to end an event or a stream is text", async () => {
        for (const {name, text} of hostile) {
            const some = text.slice(0, SOME);
            const {events, error} = await collect([...bytes(chunk({content: some}) + chunk({}, "stop") + "data: [DONE]\n\n")].map((b) => Uint8Array.of(b)));
            expect(error, name).toBeUndefined();
            expect(events.filter((e) => e.type === "text"), name).toEqual([{type: "text", text: some}]);
        }
    });
    test("letters that are split by the model's events stay whole where a reader sees them", async () => {
        const text = "🙂é\u0301👩‍👩‍👧‍👦 العربية";
        const units = Array.from({length: text.length}, (_, i) => chunk({content: text[i]})).join("");
        const {events} = await collect([...bytes(`${units}data: [DONE]\n\n`)].map((b) => Uint8Array.of(b)));
        expect(textOf(events)).toBe(text);
    });
});

describe("one event", () => {
    test("has parts of tool calls", () => {
        const data = JSON.stringify({choices: [{delta: {tool_calls: [{index: 1, id: "a", function: {name: "f", arguments: "{"}}]}}]});
        expect(readChunk(data)).toEqual([{type: "call", call: {index: 1, id: "a", name: "f", arguments: "{"}}]);
    });
    test.each(["1", "null", "[]", '"x"', "{}", '{"choices":"x"}', '{"choices":[null]}', '{"choices":[{"delta":5}]}'])("may be %s", (data) => {
        expect(readChunk(data)).toEqual([]);
    });
});

test("comments", () => {
    expect(readComment(" queued 12")).toEqual({type: "queued", place: 12});
    expect(readComment("loading")).toEqual({type: "loading"});
    expect(readComment("ping")).toBeUndefined();
});
