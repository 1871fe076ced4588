/** Key combinations as words: "mod+shift+o". mod is Cmd on a Mac and Ctrl elsewhere. Pure. */
import type {Key} from "../i18n/en";

export interface Press {
    key: string;
    code: string;
    ctrlKey: boolean;
    metaKey: boolean;
    altKey: boolean;
    shiftKey: boolean;
}

export const isMac = /Mac|iPhone|iPad/.test(navigator.platform);

export function pressed(e: Press, chord: string, mac = isMac): boolean {
    const parts = chord.split("+");
    const key = parts.pop() ?? "";
    const mod = parts.includes("mod");
    const ctrl = mac ? e.ctrlKey : e.metaKey; // the other one of the two
    if ((mac ? e.metaKey : e.ctrlKey) !== mod || ctrl || e.altKey !== parts.includes("alt")) return false;
    const letter = /^[a-z]$/.test(key);
    // A sign such as / may need Shift on some keyboards; a letter or a named key says whether it wants it.
    if ((letter || key.length > 1) && e.shiftKey !== parts.includes("shift")) return false;
    if (e.key.toLowerCase() === key.toLowerCase()) return true;
    // Keyboards of other scripts, and Option on a Mac: the place of the key counts.
    return letter && !/^[a-z]$/i.test(e.key) && e.code === `Key${key.toUpperCase()}`;
}

const names: Record<string, Key> = {shift: "keys.shift", alt: "keys.alt", enter: "keys.enter", escape: "keys.esc"};
const macSigns: Record<string, string> = {mod: "⌘", shift: "⇧", alt: "⌥", enter: "↩"};
const arrows: Record<string, string> = {arrowup: "↑", arrowdown: "↓"};

/** The keys as they are written on keyboards. */
export function chordKeys(chord: string, word: (key: Key) => string, mac = isMac): string[] {
    return chord.toLowerCase().split("+").map((part) => {
        const sign = (mac && macSigns[part]) || arrows[part];
        if (sign) return sign;
        if (part === "mod") return word("keys.ctrl");
        const name = names[part];
        return name ? word(name) : part.toUpperCase();
    });
}
