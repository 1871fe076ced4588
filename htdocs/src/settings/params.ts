/** The parameters of a conversation: what values they may have. Pure. */
import type {Params} from "../conversations/types";

export type NumberParam = "temperature" | "top_p" | "max_tokens" | "seed" | "presence_penalty" | "frequency_penalty";
export interface Range {
    min: number;
    max: number;
    step: number;
    whole?: boolean;
}

/** OpenAI's ranges; the seed's is that of whole numbers that JSON keeps exact. */
export const ranges: Record<NumberParam, Range> = {
    temperature: {min: 0, max: 2, step: 0.1},
    top_p: {min: 0, max: 1, step: 0.05},
    max_tokens: {min: 1, max: 1_000_000, step: 1, whole: true},
    seed: {min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, whole: true},
    presence_penalty: {min: -2, max: 2, step: 0.1},
    frequency_penalty: {min: -2, max: 2, step: 0.1},
};
export const numberParams = Object.keys(ranges) as NumberParam[];

export const STOP_MAX = 4;
export const STOP_CHARS = 200;
export const efforts = ["low", "medium", "high"] as const;

export const fits = (name: NumberParam, n: number): boolean => {
    const r = ranges[name];
    return Number.isFinite(n) && n >= r.min && n <= r.max && (!r.whole || Number.isInteger(n));
};

/** What a person wrote in a field: undefined is the model's own, null is no good value. A comma is a point. */
export function readNumber(name: NumberParam, text: string): number | null | undefined {
    const clean = text.trim().replace(",", ".");
    if (clean === "") return undefined;
    if (!/^[+-]?(\d+\.?\d*|\.\d+)$/.test(clean)) return null;
    const n = Number(clean);
    return fits(name, n) ? n : null;
}

/** One a line; a line end itself is written \n. */
export function readStops(text: string): string[] | null | undefined {
    const lines = text.split("\n").filter((x) => x.trim() !== "").map((x) => x.replaceAll("\\n", "\n").replaceAll("\\t", "\t"));
    if (lines.length === 0) return undefined;
    return lines.length <= STOP_MAX && lines.every((x) => x.length <= STOP_CHARS) ? lines : null;
}
export const writeStops = (stops: string[] | undefined): string =>
    (stops ?? []).map((x) => x.replaceAll("\n", "\\n").replaceAll("\t", "\\t")).join("\n");

/** Only what is a good value, from whatever a file or a database holds. */
export function goodParams(v: unknown): Params {
    if (typeof v !== "object" || v === null) return {};
    const o = v as Record<string, unknown>;
    const out: Params = {};
    for (const name of numberParams) {
        const n = o[name];
        if (typeof n === "number" && fits(name, n)) out[name] = n;
    }
    const stops = typeof o.stop === "string" ? [o.stop] : o.stop;
    if (Array.isArray(stops)) {
        const good = stops.filter((x): x is string => typeof x === "string" && x !== "" && x.length <= STOP_CHARS).slice(0, STOP_MAX);
        if (good.length > 0) out.stop = good;
    }
    const effort = efforts.find((x) => x === o.reasoning_effort);
    if (effort) out.reasoning_effort = effort;
    return out;
}

/** params with one member changed; undefined takes it out. */
export function withParam<K extends keyof Params>(params: Params, name: K, value: Params[K] | undefined): Params {
    const {[name]: _, ...rest} = params;
    return value === undefined ? rest : {...rest, [name]: value};
}
