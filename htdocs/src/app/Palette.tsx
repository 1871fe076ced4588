import {signal} from "@preact/signals";
import {lazyView} from "../ui/lazy";

export const paletteOpen = signal(false);
export const Palette = lazyView(paletteOpen, async () => (await import("./PaletteDialog")).PaletteDialog);
