import {expect, test} from "vitest";
import {errorObject, fromResponse, kindOf, kindOfCode, retryAfter} from "../src/api/trouble";
import {readConfig} from "../src/api/config";

test("every status has its kind", () => {
    const kinds = [401, 403, 404, 413, 429, 503, 504, 500, 502, 400, 422].map(kindOf);
    expect(kinds).toEqual(["signin", "forbidden", "model", "too-large", "limit", "busy", "timeout", "server", "server", "request", "request"]);
});

test("an error in a stream has its kind by the gateway's code, or by a status", () => {
    const codes = ["model_not_found", "no_capacity", "server_restarting", "timeout", "upstream_error", "context_length_exceeded", "rate_limit_exceeded", "503", "", "toString"];
    expect(codes.map(kindOfCode)).toEqual(["model", "busy", "busy", "timeout", "server", "request", "limit", "busy", "cut", "cut"]);
});

test("an error that is a page without end is not read to its end", async () => {
    let read = 0;
    let left = false;
    const body = new ReadableStream<Uint8Array>({
        pull(c) {
            read += 16384;
            c.enqueue(new Uint8Array(16384).fill(60));
        },
        cancel() {
            left = true;
        },
    });
    expect(await fromResponse(new Response(body, {status: 502}))).toMatchObject({kind: "server", message: "server"});
    expect(left).toBe(true);
    expect(read).toBeLessThan(200_000);
});

test("Retry-After is seconds or a date, and bounded", () => {
    const now = Date.parse("Sun, 06 Nov 1994 08:49:30 GMT");
    expect(retryAfter("7")).toBe(7);
    expect(retryAfter("Sun, 06 Nov 1994 08:49:37 GMT", now)).toBe(7);
    expect([null, "", "soon", "-3", "0"].map((x) => retryAfter(x))).toEqual([0, 0, 0, 0, 0]);
    expect(retryAfter("999999")).toBe(3600);
});

test("answers that are none", async () => {
    const html = await fromResponse(new Response("<h1>Proxy</h1>", {status: 502}));
    expect(html).toMatchObject({kind: "server", status: 502});
    expect(html.message).not.toContain("<h1>");
    const json = await fromResponse(new Response('{"error":{"message":"no","code":"model_not_found"}}', {status: 404, headers: {"retry-after": "3"}}));
    expect(json).toMatchObject({kind: "model", message: "no", code: "model_not_found", retryAfter: 3});
    expect(await fromResponse(new Response("{half", {status: 200}))).toMatchObject({kind: "alien"});
});

test("error objects of all kinds", () => {
    expect(errorObject({error: "text"})).toMatchObject({message: "text"});
    expect(errorObject({error: {message: 5, code: {}}})).toEqual({message: "5", code: "", type: ""});
    for (const v of [null, undefined, 5, [], {}, {error: null}, {error: 5}]) expect(errorObject(v)).toBeUndefined();
});

test("config.json: what is wrong in it is left out", () => {
    expect(readConfig({title: "T", links: [{label: "a", url: "https://x/"}, {label: "b", url: "javascript:alert(1)"}, null], logo: "logo.svg", notice: 5}))
        .toEqual({title: "T", links: [{label: "a", url: "https://x/"}], logo: new URL("logo.svg", document.baseURI).href});
    for (const v of [null, 5, "x", []]) expect(readConfig(v)).toEqual({});
});
