/** A list of models, as people read it. Pure. */
import type {Model} from "../api/models";

/** What only makes embeddings cannot chat. */
const chats = (m: Model) => m.can.includes("completion") || !m.can.includes("embedding");

/** Those to chat with, by their short names: the order stays when one is loaded. */
export function offer(models: readonly Model[]): Model[] {
    const order = new Intl.Collator(undefined, {numeric: true, sensitivity: "base"});
    return models.filter(chats).sort((a, b) => order.compare(shortName(a.id), shortName(b.id)) || order.compare(a.id, b.id));
}

/** A name as it is shown: what is unseen in it, or turns the letters after it around, could make it look like another one. */
export const plain = (id: string): string => id.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\ufffd");

/** hf.co/unsloth/Qwen3-32B:Q4 is Qwen3-32B:Q4 to people. */
export const shortName = (id: string): string => id.slice(id.lastIndexOf("/") + 1) || id;
/** What stands before it: hf.co/unsloth/ */
export const beforeName = (id: string): string => id.slice(0, id.length - shortName(id).length);

/** The places where a long name may break: behind / - _ : and dots that are not a decimal point. */
export const pieces = (name: string): string[] => name.match(/.+?(?:[/\-_:]+|\.(?!\d)|$)/gsu) ?? [];

/** 131072 is 128K, as people say it. */
export function contextText(n: number): string {
    const unit = (size: number, letter: string) => `${Number((n / size).toFixed(1)).toString()}${letter}`;
    if (n >= 1_000_000) return unit(n % 1_000_000 === 0 ? 1_000_000 : 1024 * 1024, "M");
    if (n >= 1000) return unit(n % 1000 === 0 ? 1000 : 1024, "K");
    return String(n);
}

/** Those with every word in their names. */
export function find(models: readonly Model[], what: string): readonly Model[] {
    const words = what.toLowerCase().split(/\s+/).filter(Boolean);
    return words.length === 0 ? models : models.filter((m) => words.every((w) => m.id.toLowerCase().includes(w)));
}

const STEP = 8;

/** Where a key leads in a list of n from place at; undefined: it is not such a key. */
export function place(key: string, at: number, n: number): number | undefined {
    if (n === 0) return undefined;
    switch (key) {
        case "ArrowDown":
            return (at + 1) % n;
        case "ArrowUp":
            return at <= 0 ? n - 1 : at - 1;
        case "PageDown":
            return Math.min(at + STEP, n - 1);
        case "PageUp":
            return Math.max(at - STEP, 0);
        case "Home":
            return 0;
        case "End":
            return n - 1;
        default:
            return undefined;
    }
}

/** The next one from place at, around, whose short or whole name begins with typed; -1: none. A letter typed again goes on. */
export function typedTo(models: readonly Model[], typed: string, at: number): number {
    const what = typed.toLowerCase();
    const same = [...what].every((c) => c === what[0]);
    const begin = same ? (what[0] ?? "") : what;
    const from = same || what.length === 1 ? at + 1 : at;
    for (let i = 0; i < models.length; i++) {
        const k = (Math.max(from, 0) + i) % models.length;
        const id = models[k]?.id.toLowerCase() ?? "";
        if (begin !== "" && (shortName(id).startsWith(begin) || id.startsWith(begin))) return k;
    }
    return -1;
}
