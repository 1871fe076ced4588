/** The page's keys: which command a key runs, and when it means something else. */
import {box} from "../chat/Composer";
import {isMac, pressed} from "./chords";
import {can, commands} from "./commands";
import {paletteOpen} from "./Palette";

const editable = (el: Element | null): boolean =>
    el instanceof HTMLElement && (el.isContentEditable || el.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=button], [type=file])"));

/** Where letters choose an entry, or anything else is in front of the page. */
const taken = (el: Element | null): boolean => el?.closest("[role=menu], [role=listbox], [role=combobox], [role=grid], .menu") != null;

/** Which command it is; undefined leaves the key to the browser and to what has the focus. */
export function commandFor(e: KeyboardEvent, mac = isMac) {
    if (e.defaultPrevented || e.isComposing || e.key === "Process") return undefined;
    const at = e.target instanceof Element ? e.target : null;
    // A dialog has keys of its own; only the palette's key closes it again.
    if (document.querySelector("dialog[open]")) {
        return paletteOpen.peek() && pressed(e, "mod+k", mac) ? {run: () => (paletteOpen.value = false)} : undefined;
    }
    const c = commands.find((x) => x.keys && pressed(e, x.keys, mac) && can(x));
    if (!c?.keys) return undefined;
    const plain = !c.keys.includes("+") && c.keys !== "Escape";
    if (plain && (editable(at) || taken(at))) return undefined;
    // Alt and an arrow: opens a list; on a Mac it moves the cursor by a paragraph.
    if (c.keys.startsWith("alt+") && (at instanceof HTMLSelectElement || taken(at) || (mac && editable(at)))) return undefined;
    // Esc in another field than the message box is that field's.
    if (c.keys === "Escape" && (taken(at) || (editable(at) && at?.id !== "box"))) return undefined;
    return c;
}

/** A letter typed where nothing takes it goes to the message box. */
export function isTyping(e: KeyboardEvent): boolean {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || [...e.key].length !== 1 || e.key === " ") return false;
    const at = e.target instanceof Element ? e.target : null;
    return !editable(at) && !taken(at) && !document.querySelector("dialog[open]");
}

/** Returns what ends it. */
export function startKeys(): () => void {
    const key = (e: KeyboardEvent) => {
        const c = commandFor(e);
        if (c) {
            if (e.repeat && !e.key.startsWith("Arrow")) return;
            e.preventDefault();
            c.run();
        } else if (isTyping(e)) {
            box.peek()?.focus(); // the letter itself then arrives there
        }
    };
    document.addEventListener("keydown", key);
    return () => document.removeEventListener("keydown", key);
}
