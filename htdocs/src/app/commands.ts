/** Everything that can be done by a key or from the palette. The palette, the keys and their help are made from this list. */
import {signal} from "@preact/signals";
import {answering, box} from "../chat/Composer";
import {editLast} from "../chat/editLast";
import {regenerate, stop} from "../chat/generate";
import {exportAll, shareOne} from "../conversations/export";
import {listShown, showList} from "../conversations/shown";
import * as store from "../conversations/store";
import type {Message} from "../conversations/types";
import {t} from "../i18n";
import type {Key} from "../i18n/en";
import {chosen} from "../models/store";
import {panelOpen} from "../settings/Panel";
import {settingsOpen} from "../settings/Settings";
import {theme} from "../settings/prefs";
import {copyText} from "../ui/copy";
import type {IconName} from "../ui/Icon";
import {toast} from "../ui/toasts";
import {helpOpen} from "./Help";
import {paletteOpen} from "./Palette";
import {go, show, view} from "./route";

export interface Command {
    id: string;
    label: Key;
    icon: IconName;
    /** See chords.ts. */
    keys?: string;
    /** Where it stands in the help. */
    group: "chat" | "page";
    /** It cannot be run now: it is not offered, and its keys do nothing. */
    when?: () => boolean;
    run: () => void;
}

const chat = () => view.value === "chat";
const last = (role: Message["role"]): Message | undefined => store.path.value.findLast((m) => m.role === role);
const writing = () => (chat() ? answering(store.current.value.id) : undefined);
/** A conversation that has messages, and none of them is being written. */
const idle = () => chat() && store.path.value.length > 0 && writing() === undefined;
const here = () => (store.currentId.value !== "" && !store.missing.value ? store.current.value : undefined);

/** The conversation before or after the open one in the list. */
function beside(step: 1 | -1): string | undefined {
    const all = store.list.value;
    const at = all.findIndex((c) => c.id === store.currentId.value);
    return all[at < 0 ? (step > 0 ? 0 : all.length) : at + step]?.id;
}

function to(step: 1 | -1): void {
    const id = beside(step);
    if (id) go(id);
}

/** After what is open has closed, which gives the focus back to where it was. */
export const focusBox = (): void => void setTimeout(() => box.peek()?.focus());

async function copyLast(): Promise<void> {
    const m = last("assistant");
    if (m) toast(t((await copyText(m.text)) ? "cmd.copy.done" : "cmd.copy.failed"));
}

function again(): void {
    const m = store.path.peek().at(-1);
    if (m) void regenerate(m, chosen.peek() || m.model);
}

export const commands: readonly Command[] = [
    {id: "new", label: "cmd.new", icon: "plus", keys: "mod+shift+o", group: "page", run: () => {
        go("");
        focusBox();
    }},
    {id: "search", label: "cmd.search", icon: "search", keys: "mod+k", group: "page", run: () => (paletteOpen.value = true)},
    {id: "previous", label: "cmd.previous", icon: "up", keys: "alt+ArrowUp", group: "page", when: () => beside(-1) !== undefined, run: () => to(-1)},
    {id: "next", label: "cmd.next", icon: "down", keys: "alt+ArrowDown", group: "page", when: () => beside(1) !== undefined, run: () => to(1)},
    {id: "sidebar", label: "cmd.sidebar", icon: "sidebar", keys: "mod+shift+s", group: "page", run: () => showList(!listShown.peek())},
    {id: "stop", label: "cmd.stop", icon: "stop", keys: "Escape", group: "chat", when: () => writing() !== undefined, run: () => stop(writing() ?? "")},
    {id: "copy", label: "cmd.copy", icon: "copy", keys: "mod+shift+c", group: "chat", when: () => chat() && !!last("assistant")?.text, run: () => void copyLast()},
    {id: "edit", label: "cmd.edit", icon: "edit", keys: "mod+shift+e", group: "chat", when: () => idle() && last("user") !== undefined,
        run: () => void setTimeout(editLast)},
    // R would be the browser's reload, also with Shift.
    {id: "again", label: "cmd.again", icon: "retry", keys: "mod+shift+l", group: "chat", when: () => idle() && chosen.value !== "", run: again},
    {id: "panel", label: "cmd.panel", icon: "settings", group: "chat", when: chat, run: () => (panelOpen.value = true)},
    {id: "share", label: "cmd.share", icon: "share", group: "chat", when: () => here() !== undefined, run: () => void shareOne(store.currentId.peek())},
    {id: "pin", label: "cmd.pin", icon: "pin", group: "chat", when: () => here() !== undefined, run: () => {
        const c = here();
        if (c) store.change(c.id, {pinned: !c.pinned});
    }},
    {id: "delete", label: "cmd.delete", icon: "trash", group: "chat", when: () => here() !== undefined && writing() === undefined,
        run: () => store.remove(store.currentId.peek())},
    {id: "box", label: "cmd.box", icon: "edit", keys: "/", group: "chat", when: chat, run: focusBox},
    {id: "fleet", label: "cmd.fleet", icon: "fleet", group: "page", when: () => view.value !== "fleet", run: () => show("fleet")},
    {id: "settings", label: "cmd.settings", icon: "settings", group: "page", run: () => (settingsOpen.value = true)},
    {id: "theme", label: "cmd.theme", icon: "moon", group: "page",
        run: () => (theme.value = document.documentElement.dataset.theme === "dark" ? "light" : "dark")},
    {id: "export", label: "cmd.export", icon: "download", group: "page", when: () => store.list.value.length > 0, run: () => void exportAll()},
    {id: "help", label: "cmd.help", icon: "keyboard", keys: "mod+/", group: "page", run: () => (helpOpen.value = true)},
];

export const can = (c: Command): boolean => c.when?.() ?? true;

/** What was run from the palette, newest first: it is offered first the next time. */
export const recentCommands = signal<readonly string[]>([]);

export function runCommand(c: Command): void {
    recentCommands.value = [c.id, ...recentCommands.peek().filter((id) => id !== c.id)].slice(0, 5);
    c.run();
}
