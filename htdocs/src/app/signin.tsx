/** The login has ended: says so, opens the login, and finds out when it is there again. What was written stays. */
import {effect} from "@preact/signals";
import {useEffect} from "preact/hooks";
import {here} from "../api/config";
import {askJson, signedOut} from "../api/request";
import {t} from "../i18n";
import {BACK} from "../signin/back";
import {Button} from "../ui/Button";

const CHANNEL = "dgon-signin";
/** Between two checks of our own accord: with Basic authentication each may make the browser ask for a password. */
const CHECK_MS = 5000;

let opened = false;
let checked = 0;

/** Asks something small; request.ts clears signedOut when it is answered. */
export async function checkLogin(now = Date.now()): Promise<void> {
    checked = now;
    await askJson("v1/models").catch(() => undefined);
}

/** A page below the same login as this one, in a window of its own; where that is forbidden, in this tab. */
export function signIn(): void {
    const url = new URL("signin.html", here);
    url.searchParams.set("t", String(Date.now())); // never one that a cache has
    const w = window.open(url, "dgon-signin", "popup,width=520,height=720");
    opened = true;
    if (w) {
        w.opener = null; // the login's own pages may be of another host
        return;
    }
    try {
        sessionStorage.setItem(BACK, location.href);
    } catch {
        // it comes back to the page's beginning
    }
    location.assign(url);
}

/** Listens for the login while it is gone. Returns what ends it. */
export function startSignIn(): () => void {
    const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel(CHANNEL);
    channel?.addEventListener("message", () => {
        if (signedOut.peek()) void checkLogin();
    });
    const look = () => {
        if (!signedOut.peek() || document.hidden || Date.now() - checked < CHECK_MS) return;
        void checkLogin();
    };
    const focus = () => {
        if (opened) look();
    };
    addEventListener("focus", focus);
    document.addEventListener("visibilitychange", look);
    const stop = effect(() => {
        if (!signedOut.value) opened = false;
    });
    return () => {
        channel?.close();
        removeEventListener("focus", focus);
        document.removeEventListener("visibilitychange", look);
        stop();
    };
}

export function SignIn() {
    useEffect(startSignIn, []);
    if (!signedOut.value) return null;
    return (
        <div class="banner" role="alert">
            <span>{t("signin.ended")}</span>
            <Button kind="primary" onClick={signIn}>{t("signin.button")}</Button>
        </div>
    );
}
