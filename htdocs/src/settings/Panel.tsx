import {signal} from "@preact/signals";
import {lazyView} from "../ui/lazy";

/** Settings of the conversation that is open. */
export const panelOpen = signal(false);
export const Panel = lazyView(panelOpen, async () => (await import("./PanelDialog")).PanelDialog);
