/** Words of the page. t() inside of a component follows the language as it changes. */
import {computed, effect, signal} from "@preact/signals";
import {language} from "../settings/prefs";
import {type Key, type Words, en} from "./en";

/** A language's own name, and its file, loaded when it is asked for. */
export const languages: Record<string, {name: string; rtl?: true; load: () => Promise<Partial<Words>>}> = {
    en: {name: "English", load: async () => en},
    de: {name: "Deutsch", load: async () => (await import("./de")).de},
    fr: {name: "Français", load: async () => (await import("./fr")).fr},
    ar: {name: "العربية", rtl: true, load: async () => (await import("./ar")).ar},
};

/** The language that is used: the chosen one, else the first of the browser's that there is. */
export const locale = computed(() => {
    const wanted = language.value ? [language.value] : [...navigator.languages];
    return wanted.map((w) => w.toLowerCase().split("-")[0] ?? "").find((w) => Object.hasOwn(languages, w)) ?? "en";
});

const words = signal<Partial<Words>>(en);

/** Settled when the first language is there: a page that waits for it does not begin in another one. */
let settle: () => void;
export const firstWords = new Promise<void>((done) => (settle = done));

effect(() => {
    const chosen = locale.value;
    const l = languages[chosen];
    l?.load().then(
        (w) => {
            if (locale.peek() !== chosen) return;
            // With its words, not before: a page half in one direction would jump.
            document.documentElement.lang = chosen;
            document.documentElement.dir = l.rtl ? "rtl" : "ltr";
            words.value = w;
        },
        () => undefined, // offline: what is shown stays
    ).finally(() => settle());
});

export function t(key: Key, values?: Record<string, string | number>): string {
    const text = words.value[key] ?? en[key];
    return values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : text;
}

export const number = (n: number, digits = 0): string =>
    new Intl.NumberFormat(locale.value, {maximumFractionDigits: digits}).format(n);

/** 40 ms, 1.3 s, 2 min 5 s */
export function seconds(ms: number): string {
    if (ms < 995) return `${number(Math.round(ms))} ms`;
    const s = ms / 1000;
    if (s < 60) return `${number(s, s < 10 ? 1 : 0)} s`;
    return `${number(Math.floor(s / 60))} min ${number(Math.floor(s % 60))} s`;
}

export const bytes = (n: number): string =>
    n < 1000 ? `${number(n)} B` : n < 1024 * 1024 ? `${number(n / 1024, n < 10240 ? 1 : 0)} KB` : `${number(n / 1024 / 1024, 1)} MB`;
