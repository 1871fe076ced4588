/** A chat's answer as it comes: OpenAI's events, and the gateway's comments about the time before them. */
import {createParser} from "eventsource-parser";
import {pieces} from "./pieces";
import {ask, postJson, see} from "./request";
import {Trouble, errorObject, kindOfCode} from "./trouble";

/** Longer than any pause of the gateway, which sends a comment every 15 s. */
const SILENCE_MS = 60_000;
const EVENT_MAX = 4 * 1024 * 1024;

export interface CallPart {
    index: number;
    id?: string;
    name?: string;
    arguments?: string;
}

export type ChatEvent =
    | {type: "queued"; place: number}
    | {type: "loading"}
    | {type: "model"; model: string}
    | {type: "text"; text: string}
    | {type: "reasoning"; text: string}
    | {type: "call"; call: CallPart}
    | {type: "finish"; reason: string}
    | {type: "usage"; prompt: number; completion: number};

const str = (v: unknown): string => (typeof v === "string" ? v : "");
const num = (v: unknown): number => (typeof v === "number" && Number.isFinite(v) ? v : 0);
const obj = (v: unknown): Record<string, unknown> => (typeof v === "object" && v !== null ? (v as Record<string, unknown>) : {});

/** One comment of the gateway, without its colon. */
export function readComment(text: string): ChatEvent | undefined {
    const queued = /^queued (\d+)/.exec(text.trim());
    if (queued) return {type: "queued", place: Number(queued[1])};
    return text.trim().startsWith("loading") ? {type: "loading"} : undefined;
}

/** One event's data. Throws the error it holds. */
export function readChunk(data: string): ChatEvent[] {
    let v: unknown;
    try {
        v = JSON.parse(data);
    } catch {
        throw new Trouble("alien");
    }
    const error = errorObject(v);
    if (error) throw new Trouble(kindOfCode(error.code), error.message, {code: error.code});
    const o = obj(v);
    const out: ChatEvent[] = [];
    if (str(o.model)) out.push({type: "model", model: str(o.model)});
    const choice = Array.isArray(o.choices) ? obj(o.choices[0]) : {};
    const delta = obj(choice.delta);
    const reasoning = str(delta.reasoning_content) || str(delta.reasoning);
    if (reasoning) out.push({type: "reasoning", text: reasoning});
    if (str(delta.content)) out.push({type: "text", text: str(delta.content)});
    for (const x of Array.isArray(delta.tool_calls) ? delta.tool_calls : []) {
        const c = obj(x);
        const f = obj(c.function);
        const call: CallPart = {index: num(c.index)};
        if (str(c.id)) call.id = str(c.id);
        if (str(f.name)) call.name = str(f.name);
        if (str(f.arguments)) call.arguments = str(f.arguments);
        out.push({type: "call", call});
    }
    if (str(choice.finish_reason)) out.push({type: "finish", reason: str(choice.finish_reason)});
    if (o.usage) {
        const u = obj(o.usage);
        out.push({type: "usage", prompt: num(u.prompt_tokens), completion: num(u.completion_tokens)});
    }
    return out;
}

/** The events of a body that arrives in pieces cut anywhere. Throws a Trouble where it is not a whole answer. */
export async function readStream(body: ReadableStream<Uint8Array>, on: (e: ChatEvent) => void, signal: AbortSignal): Promise<void> {
    let done = false;
    let finished = false;
    let any = false;
    let failure: unknown;
    let since = 0; // characters since the last whole event
    const parser = createParser({
        onEvent(e) {
            since = 0;
            if (done || failure !== undefined) return;
            if (e.data === "[DONE]") {
                done = true;
                return;
            }
            try {
                for (const x of readChunk(e.data)) {
                    any = true;
                    finished ||= x.type === "finish";
                    on(x);
                }
            } catch (x) {
                failure = x;
            }
        },
        onComment(text) {
            const e = readComment(text);
            if (e) on(e);
        },
    });
    try {
        for await (const piece of pieces(body, SILENCE_MS, signal)) {
            since += piece.length;
            parser.feed(piece);
            if (done || failure !== undefined) break;
            if (since > EVENT_MAX) throw new Trouble("alien");
        }
    } catch (e) {
        // A network that fails in mid-answer cut it; what had come stays.
        throw e instanceof Trouble && e.kind === "offline" ? new Trouble("cut", "") : e;
    }
    if (failure !== undefined) throw failure;
    if (!done && !finished) throw new Trouble(any ? "cut" : "empty");
}

/** Asks, and tells every event. Returns when the answer is whole; throws a Trouble, or the AbortError of signal. */
export async function streamChat(request: Record<string, unknown>, on: (e: ChatEvent) => void, signal: AbortSignal): Promise<void> {
    const body = {...request, stream: true, stream_options: {include_usage: true}};
    const res = await ask("v1/chat/completions", postJson(body, {signal}));
    if (!res.headers.get("content-type")?.startsWith("text/event-stream") || !res.body) {
        void res.body?.cancel().catch(() => undefined); // it may have no end
        throw new Trouble("alien", "", {status: res.status});
    }
    try {
        await readStream(res.body, on, signal);
    } catch (e) {
        throw see(e);
    }
}
