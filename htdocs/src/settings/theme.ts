import {effect, signal} from "@preact/signals";
import {theme} from "./prefs";

const dark = matchMedia("(prefers-color-scheme: dark)");
const system = signal(dark.matches);

/** Sets the page's theme, now and whenever the choice or the system's changes. */
export function startTheme(): void {
    dark.addEventListener("change", () => {
        system.value = dark.matches;
    });
    effect(() => {
        const page = document.documentElement;
        page.dataset.theme = theme.value === "system" ? (system.value ? "dark" : "light") : theme.value;
        // Colours change at once: halfway between two themes nothing can be read.
        page.dataset.still = "";
        requestAnimationFrame(() => requestAnimationFrame(() => delete page.dataset.still));
    });
}
