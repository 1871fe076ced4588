/** The one place that asks the gateway. */
import {signal} from "@preact/signals";
import {address} from "./config";
import {Trouble, fromFetch, fromResponse} from "./trouble";

/** True from the first 401 until something is answered again: the page then offers to sign in. */
export const signedOut = signal(false);
/** False while nothing can be reached. */
export const online = signal(true);

/** How often the gateway said that it does not know a model, or that nobody has it: the list of models is then old. */
export const missedModels = signal(0);

/** What a trouble says of the page's login, its connection and its models. */
export function see(e: unknown, apart = false): unknown {
    if (e instanceof Trouble) {
        if (e.kind === "signin" && !apart) signedOut.value = true;
        if (!apart && (e.code === "model_not_found" || e.code === "no_capacity")) missedModels.value = missedModels.peek() + 1;
        online.value = e.kind !== "offline";
    }
    return e;
}

/** Throws a Trouble, or the AbortError of signal. A redirect is a login's: never followed.
 *  apart: an address that may have a login of its own, as administrators' have: its 401 says nothing about the page's. */
export async function ask(path: string, init: RequestInit = {}, apart = false): Promise<Response> {
    let res: Response;
    try {
        res = await fetch(address(path), {...init, redirect: "manual", cache: "no-store"});
    } catch (e) {
        throw see(fromFetch(e), apart);
    }
    if (!res.ok) throw see(await fromResponse(res), apart);
    online.value = true;
    if (!apart) signedOut.value = false;
    return res;
}

export async function askJson(path: string, init: RequestInit = {}, apart = false): Promise<unknown> {
    const res = await ask(path, init, apart);
    let text: string;
    try {
        text = await res.text();
    } catch (e) {
        throw see(fromFetch(e), apart);
    }
    try {
        return JSON.parse(text);
    } catch {
        throw new Trouble("alien", "", {status: res.status});
    }
}

export const postJson = (body: unknown, more: RequestInit = {}): RequestInit => ({
    ...more,
    method: "POST",
    headers: {"Content-Type": "application/json", Accept: "text/event-stream, application/json"},
    body: JSON.stringify(body),
});
