/** Everything that can go wrong between the page and the gateway, as one kind of error. */

export type TroubleKind =
    | "offline" /* no way to the server */
    | "signin" /* the login has ended */
    | "forbidden"
    | "model" /* nobody has it */
    | "too-large"
    | "limit" /* 429: wait, then again */
    | "busy" /* 503: all slots are busy, or nobody is there */
    | "timeout"
    | "request" /* 400: the request itself; the server's words say what */
    | "server"
    | "alien" /* an answer that is none of ours: HTML, half an object */
    | "cut" /* the answer ended in its middle */
    | "empty";

export class Trouble extends Error {
    readonly kind: TroubleKind;
    readonly status: number;
    readonly code: string;
    /** Seconds to wait, when the server said so. */
    readonly retryAfter: number;

    constructor(kind: TroubleKind, message = "", more: {status?: number; code?: string; retryAfter?: number} = {}) {
        super(message || kind);
        this.name = "Trouble";
        this.kind = kind;
        this.status = more.status ?? 0;
        this.code = more.code ?? "";
        this.retryAfter = more.retryAfter ?? 0;
    }
}

const byStatus: Record<number, TroubleKind> = {
    401: "signin", 403: "forbidden", 404: "model", 408: "timeout", 413: "too-large", 429: "limit", 503: "busy", 504: "timeout",
};

export function kindOf(status: number): TroubleKind {
    return byStatus[status] ?? (status >= 500 ? "server" : "request");
}

const byCode: Record<string, TroubleKind> = {
    model_not_found: "model", request_too_large: "too-large", rate_limit_exceeded: "limit", no_capacity: "busy", server_is_overloaded: "busy",
    server_restarting: "busy", timeout: "timeout", upstream_error: "server", context_length_exceeded: "request", invalid_type: "request",
    invalid_value: "request", unsupported_operation: "request", unsupported_value: "request",
};

/** Of an error in a stream, which has no status: the gateway's code, or a status as other servers write it there. */
export function kindOfCode(code: string): TroubleKind {
    const status = Number(code);
    return Object.hasOwn(byCode, code) ? (byCode[code] ?? "cut") : status ? kindOf(status) : "cut";
}

/** Retry-After: seconds or a date (RFC 9110, 10.2.3); 0 when there is none. */
export function retryAfter(text: string | null, now = Date.now()): number {
    if (!text) return 0;
    const n = Number(text);
    const s = Number.isFinite(n) ? n : (Date.parse(text) - now) / 1000;
    return Number.isFinite(s) && s > 0 ? Math.min(Math.ceil(s), 3600) : 0;
}

/** OpenAI's error object, in an answer's body or in a stream; undefined: it is none. */
export function errorObject(v: unknown): {message: string; code: string; type: string} | undefined {
    const e = (v as {error?: unknown} | null | undefined)?.error;
    if (typeof e === "string") return {message: e, code: "", type: ""};
    if (typeof e !== "object" || e === null) return undefined;
    const o = e as Record<string, unknown>;
    const word = (x: unknown) => (typeof x === "string" || typeof x === "number" ? String(x) : "");
    return {message: word(o.message), code: word(o.code), type: word(o.type)};
}

const WORDS_MAX = 64 * 1024;
const WORDS_MS = 5000;

/** The beginning of an answer's body. It may have no end, or come never. */
async function beginning(res: Response): Promise<string> {
    const reader = res.body?.getReader();
    const decoder = new TextDecoder();
    const stop = () => void reader?.cancel().catch(() => undefined);
    const timer = setTimeout(stop, WORDS_MS);
    let text = "";
    try {
        while (reader && text.length < WORDS_MAX) {
            const part = await reader.read();
            if (part.done) break;
            text += decoder.decode(part.value, {stream: true});
        }
    } finally {
        clearTimeout(timer);
        stop();
    }
    return text;
}

/** An answer that is not the one we asked for. */
export async function fromResponse(res: Response): Promise<Trouble> {
    // A login page in another place: OpenID Connect and forms redirect to it.
    if (res.type === "opaqueredirect" || (res.status >= 300 && res.status < 400)) return new Trouble("signin", "", {status: 302});
    const more = {status: res.status, retryAfter: retryAfter(res.headers.get("retry-after"))};
    let body: unknown;
    try {
        body = JSON.parse(await beginning(res));
    } catch {
        return new Trouble(res.ok ? "alien" : kindOf(res.status), "", more);
    }
    const e = errorObject(body);
    return new Trouble(res.ok ? "alien" : kindOf(res.status), e?.message ?? "", {...more, code: e?.code ?? ""});
}

/** What fetch throws is a network that failed, but for an abort of our own. */
export function fromFetch(e: unknown): unknown {
    if (e instanceof Trouble) return e;
    if (e instanceof DOMException && e.name === "AbortError") return e;
    return new Trouble("offline", e instanceof Error ? e.message : "");
}
