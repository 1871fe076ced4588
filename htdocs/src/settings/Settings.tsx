import {signal} from "@preact/signals";
import {lazyView} from "../ui/lazy";

export const settingsOpen = signal(false);
export const Settings = lazyView(settingsOpen, async () => (await import("./SettingsDialog")).SettingsDialog);
