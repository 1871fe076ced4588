/** Records of the database as this page knows them: another version of the page, or a fault of the disk, may have written them. Pure. */
import type {Conversation, Message, Preset} from "./types";

const message: Message = {
    id: "", conversation: "", parent: "", role: "assistant", text: "", reasoning: "", calls: [], files: [], model: "", state: "cut", finish: "",
    stats: {}, created: 0, touched: 0,
};
const conversation: Conversation = {
    id: "", title: "", named: false, created: 0, updated: 0, pinned: false, folder: "", model: "", system: "", params: {}, leaf: "", draft: "", deleted: 0,
};
const preset: Preset = {id: "", name: "", system: "", params: {}, model: ""};

const kind = (v: unknown): string => (Array.isArray(v) ? "list" : v === null || Number.isNaN(v) ? "nothing" : typeof v);

/** v itself if it has every member; else a copy in which those that are missing, or something else, are blank's. */
function whole<T extends object>(v: T, blank: T): T {
    let out = v;
    for (const key of Object.keys(blank) as (keyof T)[]) {
        if (kind(v[key]) === kind(blank[key])) continue;
        if (out === v) out = {...v};
        out[key] = blank[key];
    }
    return out;
}

const isObject = (v: unknown): boolean => kind(v) === "object";

export function wholeMessage(v: Message): Message {
    const m = whole(v, message);
    if (m.files.every(isObject) && m.calls.every((c) => isObject(c) || c === undefined) && (m.trouble === undefined || isObject(m.trouble))) return m;
    const {trouble, ...rest} = m;
    return {...rest, files: m.files.filter(isObject), calls: m.calls.filter(isObject), ...(trouble && isObject(trouble) ? {trouble} : {})};
}
export const wholeConversation = (v: Conversation): Conversation => whole(v, conversation);
export const wholePreset = (v: Preset): Preset => whole(v, preset);
