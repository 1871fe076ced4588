/** What tests/page/test_page_hostile.py puts into the page before its own code: it watches every change of the document,
 *  hands an answer over event by event, and asks for the hostile answers. */
import {wrong} from "./allowed";
import {type Hostile, hostile, long, short} from "./hostile";

const bad = new Set<string>();
/** Which answers were drawn how many times while they came. */
let changes = 0;
let drawing = "";

/** Elements that the page itself never makes, wherever they are. */
const NEVER = "script, iframe, frame, object, embed, link, style, base, meta, applet, portal, video, audio, source, track, marquee, template, noscript";

function outside(el: Element): string {
    if (el.matches(NEVER)) return `<${el.localName}>`;
    for (const {name, value} of el.attributes) {
        if (name.startsWith("on") || name === "srcdoc" || name === "formaction") return `<${el.localName} ${name}="${value.slice(0, 50)}">`;
        const address = ["href", "src", "action", "xlink:href"].includes(name) ? new URL(value, document.baseURI) : undefined;
        if (address && !["http:", "https:", "mailto:", "blob:", "data:"].includes(address.protocol)) return `${name} ${value.slice(0, 50)}`;
        if (address && el.localName !== "a" && !["blob:", "data:"].includes(address.protocol) && address.origin !== location.origin) return `${name} ${value.slice(0, 50)}`;
    }
    return "";
}

function judge(el: Element): void {
    const inAnswer = el.closest(".md") !== null && !el.matches(".md");
    const what = (inAnswer && wrong(el)) || outside(el);
    if (what) bad.add(`${drawing}: ${what}`);
}

function look(node: Node): void {
    if (!(node instanceof Element) || document.head.contains(node)) return;
    for (const el of [node, ...node.querySelectorAll("*")]) judge(el);
}

const watch = new MutationObserver((all) => {
    if (all.some((x) => (x.target instanceof Element ? x.target : x.target.parentElement)?.closest(".md"))) changes++;
    for (const x of all) {
        // The element alone: the page's own HTML is below <html>, which bears theme and language.
        if (x.type === "attributes" && x.target instanceof Element && !document.head.contains(x.target)) judge(x.target);
        for (const node of x.addedNodes) look(node);
    }
});
// What stands in the page's own HTML is there before its code runs.
document.addEventListener("DOMContentLoaded", () => watch.observe(document, {subtree: true, childList: true, attributes: true, characterData: true}), {once: true});

// ---- an answer, event by event ----

const turns: (() => void)[] = [];
const channel = new MessageChannel();
channel.port1.onmessage = () => turns.shift()?.();
const soon = (run: () => void): void => {
    turns.push(run);
    channel.port2.postMessage(0);
};
const turn = (): Promise<void> => new Promise(soon);

/** Every byte of an answer is drawn, and not sixty a second. */
function hurry(): void {
    window.requestAnimationFrame = (run) => {
        soon(() => run(performance.now()));
        return 1;
    };
    const real = window.fetch;
    window.fetch = async (input, init) => {
        const res = await real(input, init);
        if (!(input instanceof URL) || !input.pathname.endsWith("/chat/completions") || !res.body) return res;
        let rest = "";
        const events = new TransformStream<string, string>({
            async transform(text, out) {
                const parts = (rest + text).split("\n\n");
                rest = parts.pop() ?? "";
                for (const part of parts) {
                    out.enqueue(`${part}\n\n`);
                    for (let i = 0; i < 3; i++) await turn();
                }
            },
            flush: (out) => out.enqueue(rest),
        });
        const body = res.body.pipeThrough(new TextDecoderStream()).pipeThrough(events).pipeThrough(new TextEncoderStream());
        return new Response(body, {status: res.status, headers: res.headers});
    };
}

// ---- the person ----

const element = <E extends Element = HTMLElement>(selector: string): E => {
    const el = document.querySelector<E>(selector);
    if (!el) throw new Error(`no ${selector}`);
    return el;
};

const PATIENCE_MS = 10_000;

function until(good: () => boolean): Promise<void> {
    return new Promise((done, fail) => {
        const timer = setTimeout(() => fail(new Error(`${drawing}: waited too long: ${good}`)), PATIENCE_MS);
        const seen = new MutationObserver(() => {
            if (!good()) return;
            clearTimeout(timer);
            seen.disconnect();
            done();
        });
        if (good()) {
            clearTimeout(timer);
            return done();
        }
        seen.observe(document, {subtree: true, childList: true, attributes: true});
    });
}

/** The model says what the question tells it to. The long ones, which mean harm to our time, come in two pieces here; letter by letter
 *  and byte by byte they are in markdown-hostile.test.ts and stream.test.ts. */
function question({text}: Hostile): string {
    const letters = [...text];
    const step = long.some((x) => x.text === text) ? Math.ceil(letters.length / 2) : 1;
    const script: [number, {content: string}][] = [];
    for (let i = 0; i < letters.length; i += step) script.push([0, {content: letters.slice(i, i + step).join("")}]);
    return JSON.stringify({script});
}

interface Result {
    asked: number;
    letters: number;
    changes: number;
    slowest: string[];
    failed: string[];
    bad: string[];
}

/** Every n-th payload, from the i-th on, each in a conversation of its own. */
async function run(i: number, n: number): Promise<Result> {
    const failed: string[] = [];
    let letters = 0;
    let asked = 0;
    const times: {name: string; took: number}[] = [];
    const box = () => element<HTMLTextAreaElement>("#box");
    for (const x of hostile.filter((_, at) => at % n === i)) {
        drawing = x.name;
        asked++;
        if (!long.includes(x)) letters += [...x.text].length;
        const began = performance.now();
        element<HTMLButtonElement>(".topbar > button:last-child").click();
        await until(() => document.querySelector(".message") === null);
        box().value = question(x);
        box().dispatchEvent(new InputEvent("input", {bubbles: true}));
        await until(() => !element<HTMLButtonElement>(".send").disabled);
        element<HTMLButtonElement>(".send").click();
        await until(() => document.querySelector(".answer:not([data-state=streaming])") !== null);
        const state = element(".answer").dataset.state;
        if (state !== "done") failed.push(`${x.name}: ${state} ${element(".answer").textContent}`);
        times.push({name: x.name, took: Math.round(performance.now() - began)});
    }
    await turn();
    return {asked, letters, changes, slowest: times.sort((a, b) => b.took - a.took).slice(0, 12).map((x) => `${x.name}: ${x.took} ms`), failed, bad: [...bad]};
}

export interface HostilePage {
    texts: string[];
    short: string[];
    hurry: () => void;
    start: (i: number, n: number) => void;
    ended: () => Promise<Result | undefined>;
    bad: () => string[];
}

let running: Promise<Result> | undefined;
(globalThis as typeof globalThis & {hostilePage: HostilePage}).hostilePage = {
    texts: hostile.map((x) => x.text),
    short: short.map((x) => x.text),
    hurry,
    start: (i, n) => {
        running = run(i, n);
    },
    ended: async () => running,
    bad: () => [...bad],
};
