/** The fleet, live for as long as somebody looks: one stream for the page, none while it is hidden. */
import {batch, effect, signal} from "@preact/signals";
import {backoff} from "../api/backoff";
import {type Fleet, lookAtFleet, watchFleet} from "../api/fleet";
import {Trouble, type TroubleKind, fromFetch} from "../api/trouble";
import * as models from "../models/store";

const FIRST_MS = 1000;
const MOST_MS = 30_000;
/** All of the gateway's streams are taken: one look, and so long till the next try. */
const CROWDED_MS = 15_000;

export const fleet = signal<Fleet | null>(null);
/** When the newest news came. */
export const told = signal(0);
/** How many ms the gateway's clock is ahead. */
export const ahead = signal(0);
/** live: as it happens. waiting: between two tries, why says after what. refused: it is not tried again but by again(). */
export const link = signal<"off" | "connecting" | "live" | "waiting" | "refused">("off");
export const why = signal<TroubleKind | "">("");

let watchers = 0;
let running: AbortController | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;
let tries = 0;

/** A small difference is the way of the answer, not the clock. */
const SKEW_MS = 5000;

/** What the model picker shows of the fleet: when that changes, its list is old. */
const offered = (f: Fleet): string => JSON.stringify(f.models.map((m) => [m.id, m.agents, m.loaded]));

function take(f: Fleet): void {
    const before = fleet.peek();
    if (before && offered(before) !== offered(f)) models.refreshSoon();
    batch(() => {
        fleet.value = f;
        told.value = Date.now();
        why.value = "";
    });
}

/** Nothing that waiting would change. 404 is a server without such a list, "alien" one that answers something else. */
const isFinal = (e: Trouble): boolean => ["signin", "forbidden", "alien", "request"].includes(e.kind) || e.status === 404;

async function connect(): Promise<void> {
    clearTimeout(timer);
    if (running || watchers === 0 || document.hidden) return;
    const mine = new AbortController();
    running = mine;
    link.value = "connecting";
    let trouble = new Trouble("cut");
    try {
        await watchFleet(
            {
                onBegin: (ms) => (ahead.value = Math.abs(ms) > SKEW_MS ? ms : 0),
                onFleet: (f) => {
                    tries = 0;
                    link.value = "live";
                    take(f);
                },
            },
            mine.signal,
        );
    } catch (e) {
        const x = fromFetch(e);
        trouble = x instanceof Trouble ? x : new Trouble("server");
        if (trouble.kind === "busy" && !mine.signal.aborted) await lookAtFleet(mine.signal).then(take, () => undefined);
    }
    if (running !== mine) return; // ended by us
    running = undefined;
    if (trouble.kind === "signin") void models.refresh(); // finds out whether the page's login has ended, too
    why.value = trouble.kind === "busy" && fleet.peek() ? "" : trouble.kind;
    if (isFinal(trouble)) {
        link.value = "refused";
        return;
    }
    link.value = "waiting";
    const wait = trouble.kind === "busy" ? Math.max(CROWDED_MS, trouble.retryAfter * 1000) : FIRST_MS;
    timer = setTimeout(() => void connect(), backoff(tries++, wait, Math.max(wait, MOST_MS)));
}

function disconnect(): void {
    clearTimeout(timer);
    const mine = running;
    running = undefined;
    mine?.abort();
    link.value = "off";
}

/** Now, without waiting for the next try. */
export function again(): void {
    tries = 0;
    disconnect();
    void connect();
}

/** For as long as a view shows the fleet. Returns what ends it. */
export function watch(): () => void {
    const look = () => {
        if (document.hidden) disconnect();
        else if (link.peek() === "off") void connect();
    };
    const online = () => void (link.peek() === "waiting" && again());
    document.addEventListener("visibilitychange", look);
    addEventListener("online", online);
    watchers++;
    if (link.peek() === "off" || link.peek() === "refused") again();
    return () => {
        document.removeEventListener("visibilitychange", look);
        removeEventListener("online", online);
        if (--watchers === 0) disconnect();
    };
}

/** The time, for "3 minutes ago". It moves on while somebody looks. */
export const now = signal(Date.now());
const TICK_MS = 10_000;
export function tick(): () => void {
    now.value = Date.now();
    const t = setInterval(() => {
        if (!document.hidden) now.value = Date.now();
    }, TICK_MS);
    const stop = effect(() => {
        if (told.value > now.peek()) now.value = told.value;
    });
    return () => {
        clearInterval(t);
        stop();
    };
}
