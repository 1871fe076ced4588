/** Shown behind the page's login, so the login is there again: tells the page's tabs, and goes. */
import "../ui/base.css";
import "./signin.css";
import {effect} from "@preact/signals";
import {t} from "../i18n";
import {startTheme} from "../settings/theme";
import {backFrom} from "./back";

startTheme();
try {
    new BroadcastChannel("dgon-signin").postMessage("signed in");
} catch {
    // a browser without it: the page asks when it is looked at again
}
const back = backFrom(location.href);
if (back) location.replace(back);
else window.close(); // the browser lets only a window go that a page has opened

effect(() => {
    const words = document.getElementById("words");
    const link = document.getElementById("back");
    document.title = t("signin.button");
    if (words) words.textContent = t("signin.done");
    if (link) link.textContent = t("signin.back");
});
