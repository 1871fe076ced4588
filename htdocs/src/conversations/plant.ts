/** Nodes of a foreign tree as messages of ours: what is skipped is bridged, loops are cut, names are new. Pure. */
import {newId} from "../ui/id";
import type {Attachment, Message, StoredFile} from "./types";

export interface Node {
    key: string;
    /** A key that is not there is none. */
    parent: string;
    /** Without a message the node is skipped, and what follows it follows its parent. */
    message?: Omit<Message, "id" | "conversation" | "parent" | "files" | "touched"> & {files: {file: Attachment; blob: Blob}[]};
}

export interface Planted {
    messages: Message[];
    files: StoredFile[];
    /** A node's key to the message it is, or that stands before it where it was skipped. */
    ids: ReadonlyMap<string, string>;
}

/** For each node the nearest with a message, itself or above; "" is none. Each node is walked over once. */
function nearest(byKey: ReadonlyMap<string, Node>): Map<string, string> {
    const found = new Map<string, string>();
    for (const start of byKey.keys()) {
        const walked: string[] = [];
        let at = start;
        let end: string | undefined;
        const seen = new Set<string>();
        while (end === undefined) {
            const node = byKey.get(at);
            if (!node || seen.has(at)) end = "";
            else if (found.has(at)) end = found.get(at);
            else if (node.message) end = at;
            else {
                seen.add(at);
                walked.push(at);
                at = node.parent;
            }
        }
        for (const key of walked) found.set(key, end);
        found.set(start, end);
    }
    return found;
}

/** The parents of kept nodes, in which following them always ends. */
function parents(byKey: ReadonlyMap<string, Node>, near: ReadonlyMap<string, string>): Map<string, string> {
    const out = new Map<string, string>();
    for (const [key, node] of byKey) if (node.message) out.set(key, node.parent === key ? "" : (near.get(node.parent) ?? ""));
    const safe = new Set<string>([""]);
    for (const start of out.keys()) {
        const walk = new Set<string>();
        let at = start;
        while (!safe.has(at)) {
            walk.add(at);
            const up = out.get(at) ?? "";
            if (walk.has(up)) out.set(up, "");
            at = out.get(at) ?? "";
        }
        for (const key of walk) safe.add(key);
    }
    return out;
}

export function plant(nodes: Node[], now: number): Planted {
    const byKey = new Map<string, Node>();
    for (const node of nodes) if (node.key !== "" && !byKey.has(node.key)) byKey.set(node.key, node);
    const near = nearest(byKey);
    const up = parents(byKey, near);
    const mine = new Map<string, string>();
    for (const key of up.keys()) mine.set(key, newId());
    const ids = new Map<string, string>();
    for (const [key, at] of near) {
        const id = mine.get(at);
        if (id) ids.set(key, id);
    }
    const files: StoredFile[] = [];
    const messages: Message[] = [];
    let order = 0;
    for (const [key, parent] of up) {
        const m = byKey.get(key)?.message;
        const id = mine.get(key);
        if (!m || !id) continue;
        for (const f of m.files) files.push({id: f.file.id, conversation: "", blob: f.blob});
        // The order in the file is that of time where no time is said.
        const created = m.created || now + order++;
        messages.push({...m, id, conversation: "", parent: mine.get(parent) ?? "", files: m.files.map((f) => f.file), created, touched: created});
    }
    return {messages, files, ids};
}
