import {effect, signal} from "@preact/signals";
import {lazyView} from "../ui/lazy";

export const paletteOpen = signal(false);
export const Palette = lazyView(paletteOpen, async () => (await import("./PaletteDialog")).PaletteDialog);

// Who types right behind Ctrl+K does not wait for code to come: without this the message box would have the words.
let typed = "";
function hear(e: KeyboardEvent): void {
    if (e.isComposing || ((e.ctrlKey || e.altKey || e.metaKey) && !e.getModifierState("AltGraph"))) return;
    if (e.key === "Escape") paletteOpen.value = false;
    else if (e.key === "Backspace") typed = [...typed].slice(0, -1).join("");
    else if ([...e.key].length === 1) typed += e.key;
    else return;
    e.preventDefault();
    e.stopPropagation();
}
effect(() => {
    typed = "";
    if (paletteOpen.value) addEventListener("keydown", hear, true);
    else removeEventListener("keydown", hear, true);
});

/** The palette's own box listens from now on; this was typed before. */
export function takeTyped(): string {
    removeEventListener("keydown", hear, true);
    return typed;
}
