/** Presets: a system prompt with parameters and a model, kept under a name. */
import {signal} from "@preact/signals";
import * as db from "../conversations/db";
import * as store from "../conversations/store";
import type {Conversation, Preset} from "../conversations/types";
import {newId} from "../ui/id";

export const NAME_MAX = 80;
export const PRESETS_MAX = 200;
export const presets = signal<Preset[]>([]);

const sorted = (all: Preset[]) => [...all].sort((a, b) => a.name.localeCompare(b.name));

/** Reads them anew: another tab may have changed them. */
export async function loadPresets(): Promise<void> {
    presets.value = sorted(await db.allPresets().catch(() => presets.peek()));
}

const trim = (name: string) => name.trim().slice(0, NAME_MAX);

async function put(p: Preset): Promise<boolean> {
    presets.value = sorted([...presets.peek().filter((x) => x.id !== p.id), p]);
    return store.keep(db.putPreset(p));
}

/** What c has, under a name. One of that name is replaced. False: no name, or no room. */
export async function savePreset(name: string, c: Pick<Conversation, "system" | "params" | "model">): Promise<boolean> {
    const good = trim(name);
    const before = presets.peek().find((x) => x.name === good);
    if (good === "" || (!before && presets.peek().length >= PRESETS_MAX)) return false;
    return put({id: before?.id ?? newId(), name: good, system: c.system, params: c.params, model: c.model});
}

export async function renamePreset(id: string, name: string): Promise<boolean> {
    const p = presets.peek().find((x) => x.id === id);
    const good = trim(name);
    if (!p || good === "" || presets.peek().some((x) => x.id !== id && x.name === good)) return false;
    return put({...p, name: good});
}

export const restorePreset = put;

export async function removePreset(id: string): Promise<boolean> {
    presets.value = presets.peek().filter((x) => x.id !== id);
    return store.keep(db.dropPreset(id));
}

/** The conversation gets all of it; its model stays where the preset has none. */
export function applyPreset(p: Preset, conversation: string): void {
    store.change(conversation, {system: p.system, params: p.params, ...(p.model ? {model: p.model} : {})});
}
