/** The fleet in words. */
import type {Agent, AgentState, Fleet} from "../api/fleet";
import type {TroubleKind} from "../api/trouble";
import {locale, number, t} from "../i18n";
import type {Key} from "../i18n/en";

export const machinesUp = (f: Fleet): number => f.agents.filter((a) => a.state === "up").length;

/** "3 machines are up, 2 of 12 slots are busy, nobody waits." */
export function headline(f: Fleet): string {
    const up = machinesUp(f);
    if (up === 0) return t(f.agents.length === 0 ? "fleet.head.empty" : "fleet.head.allAway");
    const machines = up === 1 ? t("fleet.head.up1") : t("fleet.head.up", {n: number(up)});
    const busy = t(f.slots.busy === 1 ? "fleet.head.busy1" : "fleet.head.busy", {busy: number(f.slots.busy), total: number(f.slots.total)});
    const n = f.jobs.queued;
    const waiting = n === 0 ? t("fleet.head.waiting0") : n === 1 ? t("fleet.head.waiting1") : t("fleet.head.waiting", {n: number(n)});
    return t("fleet.head", {machines, busy, waiting});
}

/** What a screen reader is told when it changes: not each request that comes and goes. */
export function news(f: Fleet): string {
    const up = machinesUp(f);
    const machines = up === 0 ? t("fleet.head.allAway") : up === 1 ? t("fleet.head.up1") : t("fleet.head.up", {n: number(up)});
    return f.jobs.queued > 0 ? t("fleet.news.waiting", {machines}) : machines;
}

const steps: [number, Intl.RelativeTimeFormatUnit][] = [[86_400, "day"], [3600, "hour"], [60, "minute"]];

/** "3 minutes ago". Under a minute: "just now", so that it does not flicker. */
export function ago(at: number, now: number): string {
    const s = Math.max(0, (now - at) / 1000);
    const step = steps.find(([size]) => s >= size);
    if (!step) return t("fleet.now");
    return new Intl.RelativeTimeFormat(locale.value, {numeric: "always"}).format(-Math.floor(s / step[0]), step[1]);
}

/** The time itself, for who wants to know it; without the date if that is clear from now. */
export function clock(at: number, now = 0): string {
    const near = Math.abs(at - now) < 12 * 3600_000;
    return new Intl.DateTimeFormat(locale.value, near ? {timeStyle: "short"} : {dateStyle: "medium", timeStyle: "short"}).format(at);
}

export function since(a: Agent, now: number): string {
    if (a.since === 0) return a.state === "away" ? t("fleet.away") : "";
    return t(a.state === "away" ? "fleet.awaySince" : "fleet.upSince", {ago: ago(a.since, now)});
}

export const stateWord = (s: AgentState): string => t(`fleet.state.${s}`);
export const stateWhy = (s: AgentState): string => (s === "up" ? "" : t(`fleet.why.${s}`));

const errors: Record<string, Key> = {
    timeout: "fleet.error.timeout",
    upstream_error: "fleet.error.upstream",
    no_capacity: "fleet.error.busy",
    server_is_overloaded: "fleet.error.busy",
    server_restarting: "fleet.error.restarting",
    model_not_found: "fleet.error.model",
    context_length_exceeded: "fleet.error.context",
    request_too_large: "fleet.error.large",
    unsupported_operation: "fleet.error.unsupported",
    unsupported_value: "fleet.error.unsupported",
    cancelled: "fleet.error.cancelled",
};

/** Why an answer failed, without the server's codes where there are words for them. */
export function errorWords(e: {status: number; code: string}): string {
    const key = errors[e.code];
    if (key) return t(key);
    if (e.status === 504) return t("fleet.error.timeout");
    return e.status === 0 ? t("fleet.error.unknown") : t("fleet.error.status", {status: e.status});
}

/** Why the fleet cannot be shown: a heading and what to do. */
export function refusal(kind: TroubleKind | ""): {title: string; text: string} {
    const which = kind === "signin" || kind === "forbidden" ? kind : kind === "model" || kind === "alien" || kind === "request" ? "closed" : "unreachable";
    return {title: t(`fleet.refused.${which}`), text: t(`fleet.refused.${which}.text`)};
}

/** Why nobody could be invited. */
export function inviteRefusal(kind: TroubleKind): string {
    if (kind === "signin" || kind === "forbidden" || kind === "model" || kind === "alien") return t("fleet.join.admin");
    if (kind === "limit") return t("fleet.join.many");
    return t(kind === "offline" ? "fleet.join.offline" : "fleet.join.failed");
}

/** How long a code is still good. */
export function goodFor(expires: number, now: number): string {
    const s = (expires - now) / 1000;
    if (s <= 0) return "";
    const [n, unit]: [number, string] = s < 90 ? [s, "second"] : s < 5400 ? [s / 60, "minute"] : s < 172_800 ? [s / 3600, "hour"] : [s / 86_400, "day"];
    return new Intl.NumberFormat(locale.value, {style: "unit", unit, unitDisplay: "long", maximumFractionDigits: 0}).format(Math.max(1, Math.round(n)));
}
