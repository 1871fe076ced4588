/** The models that there are, and the one that is used. Asked for now and then, while somebody looks at the page; all the time,
 *  while somebody looks at the list. No stream: it would hold one of a browser's six connections in each tab, and who may use
 *  the models need not be let see the machines. */
import {batch, computed, effect, signal} from "@preact/signals";
import {backoff} from "../api/backoff";
import {config} from "../api/config";
import {type Model, askModels} from "../api/models";
import {missedModels, online, signedOut} from "../api/request";
import {Trouble, type TroubleKind} from "../api/trouble";
import * as conversations from "../conversations/store";
import {lastModel} from "../settings/prefs";
import {offer} from "./list";

const EVERY_MS = 60_000;
const SOON_MS = 5000;
/** While the list is open. */
const OPEN_MS = 2000;
const ANSWER_MS = 20_000;

export const models = signal<readonly Model[]>([]);
/** "loading" until the first answer; "ready" with the last answer good; else why the last one was none. */
export const state = signal<"loading" | "ready" | TroubleKind>("loading");
/** Every model that was there since the page was opened. */
const seen = new Set<string>();

export const modelOf = (id: string): Model | undefined => models.value.find((m) => m.id === id);

/** What was used last, if this gateway has, or had of late, such a model. Before its first answer nobody knows. */
function last(): string {
    const id = lastModel.value;
    return models.value.length === 0 || seen.has(id) ? id : "";
}

/** The model that answers the next question; "": there is none. It may be away: see away. */
export const chosen = computed<string>(() => {
    const offered = models.value;
    const begin = config.value.default_model ?? "";
    return (
        conversations.current.value.model ||
        last() ||
        (offered.length === 0 || modelOf(begin) ? begin : "") ||
        (offered.find((m) => m.loaded) ?? offered[0])?.id ||
        ""
    );
});
export const chosenModel = computed<Model | undefined>(() => modelOf(chosen.value));
/** Is the chosen model known to be gone? */
export const away = computed(() => state.value === "ready" && chosen.value !== "" && !chosenModel.value);

export function choose(id: string): void {
    batch(() => {
        seen.add(id);
        conversations.change(conversations.current.peek().id, {model: id});
        lastModel.value = id;
    });
}

let asking: Promise<void> | undefined;
let asked = 0;
let failures = 0;
/** Good answers one after the other without a model to talk to. */
let misses = 0;
let watchers = 0;

async function askNow(): Promise<void> {
    asked = Date.now();
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), ANSWER_MS);
    try {
        const now = offer(await askModels(abort.signal));
        failures = 0;
        for (const m of now) seen.add(m.id);
        batch(() => {
            if (JSON.stringify(now) !== JSON.stringify(models.peek())) models.value = now;
            state.value = "ready";
        });
        misses = chosenModel.peek() ? 0 : misses + 1;
    } catch (e) {
        failures++;
        state.value = e instanceof Trouble ? e.kind : "timeout";
    } finally {
        clearTimeout(timer);
    }
}

/** Asks now, or takes part in what is asked already. Never fails: see state. */
export function refresh(): Promise<void> {
    asking ??= askNow().finally(() => {
        asking = undefined;
        plan();
    });
    return asking;
}

let started = false;
let timer: ReturnType<typeof setTimeout> | undefined;
let soon: ReturnType<typeof setTimeout> | undefined;

/** How long the list is good. Who waits for a server or a model asks soon, but a thousand pages do not ask for ever. */
function pause(): number {
    if (failures > 0) return backoff(failures, SOON_MS, EVERY_MS);
    if (watchers > 0) return OPEN_MS;
    return misses > 0 ? backoff(misses - 1, SOON_MS, EVERY_MS) : EVERY_MS * (0.9 + 0.2 * Math.random());
}

/** The next time. Not while hidden; not for who has to sign in first, because a browser would ask for a password each time. */
function plan(): void {
    clearTimeout(timer);
    if (!started || document.hidden || state.peek() === "signin") return;
    timer = setTimeout(() => void refresh(), pause());
}

/** For as long as the list is open. Returns what ends it. */
export function watch(): () => void {
    watchers++;
    void refresh();
    return () => {
        if (--watchers === 0) plan();
    };
}

/** Something has changed: asks, but not for every change. */
export function refreshSoon(): void {
    if (soon !== undefined || document.hidden) return;
    const wait = Math.max(0, asked + SOON_MS - Date.now());
    soon = setTimeout(() => {
        soon = undefined;
        void refresh();
    }, wait);
}

/** From the page's start. Returns what ends it. */
export function start(): () => void {
    started = true;
    const look = () => {
        if (document.hidden) clearTimeout(timer);
        else if (Date.now() - asked > SOON_MS) void refresh();
        else plan();
    };
    const again = () => void refresh();
    document.addEventListener("visibilitychange", look);
    addEventListener("online", again);
    addEventListener("offline", again);
    let count = missedModels.peek();
    const stopMissed = effect(() => {
        if (missedModels.value !== count) refreshSoon();
        count = missedModels.value;
    });
    const stopSigned = effect(() => {
        if (!signedOut.value && state.peek() === "signin") refreshSoon();
    });
    // Somebody found that the server is gone: from now on we look when it is back.
    const stopOnline = effect(() => {
        if (!online.value && state.peek() !== "offline") refreshSoon();
    });
    void refresh();
    return () => {
        started = false;
        clearTimeout(timer);
        clearTimeout(soon);
        soon = undefined;
        document.removeEventListener("visibilitychange", look);
        removeEventListener("online", again);
        removeEventListener("offline", again);
        stopMissed();
        stopSigned();
        stopOnline();
    };
}
