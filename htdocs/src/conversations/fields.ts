/** Reading what may be anything. Pure. */
export type Fields = Record<string, unknown>;

export const obj = (v: unknown): Fields => (typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Fields) : {});
export const list = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);
export const str = (v: unknown): string => (typeof v === "string" ? v : "");
export const num = (v: unknown): number => (typeof v === "number" && Number.isFinite(v) ? v : 0);

/** One line of plain text: no control characters, none that turn the direction of what follows. */
export const clean = (v: unknown, max: number): string =>
    str(v).slice(0, max * 4).replace(/[\p{Cc}\u2028\u2029]+/gu, " ").replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").trim().slice(0, max);

/** A time in seconds, milliseconds, micro- or nanoseconds, as milliseconds; fallback if it is none or lies ahead. */
export function time(v: unknown, fallback: number, now = Date.now()): number {
    let n = typeof v === "string" ? Date.parse(v) : num(v);
    if (!(n > 0)) return fallback;
    if (n < 1e11) n *= 1000;
    while (n >= 1e14) n /= 1000;
    return n <= now + 86_400_000 ? Math.round(n) : fallback;
}
