import {signal} from "@preact/signals";
import {lazyView} from "../ui/lazy";

/** The list of keys. */
export const helpOpen = signal(false);
export const Help = lazyView(helpOpen, async () => (await import("./HelpDialog")).HelpDialog);
