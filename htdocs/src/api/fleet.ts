/** The fleet as the gateway tells it, once or as it changes, and invitations for machines. */
import {createParser} from "eventsource-parser";
import {type Ability, readAbilities} from "./models";
import {pieces} from "./pieces";
import {count, list, object, text} from "./read";
import {ask, askJson} from "./request";
import {Trouble} from "./trouble";

export interface AgentModel {
    id: string;
    loaded: boolean;
    context: number;
    can: readonly Ability[];
    /** Tokens in a second of one answer; 0: not known. */
    rate: number;
}

export const agentStates = ["up", "draining", "held", "away"] as const;
export type AgentState = (typeof agentStates)[number];

export interface Agent {
    id: string;
    state: AgentState;
    slots: number;
    busy: number;
    version: string;
    os: string;
    address: string;
    /** Times are the gateway's, in ms; 0: not known. Since when it is connected, or away. */
    since: number;
    done: number;
    failed: number;
    lastError: {at: number; status: number; code: string} | null;
    models: AgentModel[];
}

export interface FleetModel {
    id: string;
    agents: number;
    slots: number;
    busy: number;
    queued: number;
    loaded: boolean;
    context: number;
    can: readonly Ability[];
}

export interface Fleet {
    agents: Agent[];
    models: FleetModel[];
    slots: {total: number; busy: number};
    jobs: {queued: number; ok: number; failed: number; cancelled: number; refused: number; retries: number};
}

const MANY = 4096;
/** More than the gateway ever sends at once. */
const EVENT_MAX = 16 * 1024 * 1024;
/** It says something every 15 s. */
const SILENCE_MS = 45_000;

function readAgent(v: unknown): Agent {
    const o = object(v);
    const error = object(o.last_error);
    return {
        id: text(o.id), state: agentStates.find((s) => s === o.state) ?? "away", slots: count(o.slots), busy: count(o.busy),
        version: text(o.version, 64), os: text(o.os, 64), address: text(o.address, 64), since: count(o.since) * 1000,
        done: count(o.done), failed: count(o.failed),
        lastError: count(error.at) ? {at: count(error.at) * 1000, status: count(error.status), code: text(error.code, 64)} : null,
        models: list(o.models, MANY).map(object).map((m) => ({
            id: text(m.id), loaded: m.loaded === true, context: count(m.context_length), can: readAbilities(m.capabilities),
            rate: count(m.tokens_per_second),
        })),
    };
}

/** What GET cluster/status and each event of its stream hold. Throws a Trouble if v is none. */
export function readFleet(v: unknown): Fleet {
    const o = object(object(v).data);
    if (object(v).type !== "cluster_status" || !Array.isArray(o.agents)) throw new Trouble("alien");
    const slots = object(o.slots);
    const jobs = object(o.jobs);
    return {
        agents: list(o.agents, MANY).map(readAgent).filter((a) => a.id !== ""),
        models: list(o.models, MANY).map(object).map((m) => ({
            id: text(m.id), agents: count(m.agents), slots: count(m.slots), busy: count(m.busy), queued: count(m.queued),
            loaded: m.loaded === true, context: count(m.context_length), can: readAbilities(m.capabilities),
        })),
        slots: {total: count(slots.total), busy: count(slots.busy)},
        jobs: {
            queued: count(jobs.queued), ok: count(jobs.ok), failed: count(jobs.failed), cancelled: count(jobs.cancelled),
            refused: count(jobs.refused), retries: count(jobs.retries),
        },
    };
}

/** One look. */
export async function lookAtFleet(signal: AbortSignal): Promise<Fleet> {
    return readFleet(await askJson("cluster/status", {signal, headers: {Accept: "application/json"}}, true));
}

export interface Watching {
    /** ahead: how many ms the server's clock is ahead of ours, as far as its answer tells. */
    onBegin: (ahead: number) => void;
    onFleet: (f: Fleet) => void;
}

/** Tells every change until the stream ends, which it does when the gateway restarts. Throws a Trouble, or signal's AbortError. */
export async function watchFleet(on: Watching, signal: AbortSignal): Promise<void> {
    const res = await ask("cluster/status?stream=1", {signal, headers: {Accept: "text/event-stream"}}, true);
    if (!res.headers.get("content-type")?.startsWith("text/event-stream") || !res.body) {
        await res.body?.cancel().catch(() => undefined);
        throw new Trouble("alien", "", {status: res.status});
    }
    const date = Date.parse(res.headers.get("date") ?? "");
    on.onBegin(Number.isFinite(date) ? date - Date.now() : 0);
    let data: string | undefined;
    const parser = createParser({onEvent: (e) => (data = e.data)});
    let since = 0; // characters since the last whole event
    for await (const piece of pieces(res.body, SILENCE_MS, signal)) {
        since += piece.length;
        if (since > EVENT_MAX) throw new Trouble("alien");
        parser.feed(piece);
        if (data === undefined) continue;
        // Of several that came at once only the last one counts.
        let v: unknown;
        try {
            v = JSON.parse(data);
        } catch {
            throw new Trouble("alien");
        }
        data = undefined;
        since = 0;
        on.onFleet(readFleet(v));
    }
}

export interface Invitation {
    bash: string;
    powershell: string;
    /** ms; 0: not told. */
    expires: number;
    uses: number;
}

const PATH = "node/join/command";

/** Makes a new code each time. */
export async function invite(): Promise<Invitation> {
    const o = object(await askJson(PATH, {headers: {Accept: "application/json"}}, true));
    const i = {
        bash: text(o.command, 2048), powershell: text(o.powershell, 2048), expires: Date.parse(text(o.expires, 64)) || 0, uses: count(o.uses) || 1,
    };
    if (!i.bash && !i.powershell) throw new Trouble("alien");
    return i;
}
