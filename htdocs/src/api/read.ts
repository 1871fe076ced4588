/** What a server says, as the kinds of values that we expect. */
export const text = (v: unknown, most = 512): string => (typeof v === "string" ? v.slice(0, most) : "");
export const count = (v: unknown): number => (typeof v === "number" && Number.isFinite(v) && v > 0 ? v : 0);
export const object = (v: unknown): Record<string, unknown> =>
    typeof v === "object" && v !== null && !Array.isArray(v) ? (v as Record<string, unknown>) : {};
export const list = (v: unknown, most: number): unknown[] => (Array.isArray(v) ? v.slice(0, most) : []);
