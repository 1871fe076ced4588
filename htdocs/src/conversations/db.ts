/** The browser's database. Every change is one transaction, so a crash loses no half of one. */
import {type DBSchema, type IDBPDatabase, openDB} from "idb";
import {wholeConversation, wholeMessage, wholePreset} from "./repair";
import type {Conversation, Message, Preset, StoredFile} from "./types";

interface Schema extends DBSchema {
    conversations: {key: string; value: Conversation};
    messages: {key: string; value: Message; indexes: {conversation: string}};
    files: {key: string; value: StoredFile; indexes: {conversation: string}};
    presets: {key: string; value: Preset};
}

/** Thrown when the browser has no room left. */
export class Full extends Error {}

let opened: Promise<IDBPDatabase<Schema>> | undefined;

function db(): Promise<IDBPDatabase<Schema>> {
    opened ??= openDB<Schema>("dgon", 1, {
        upgrade(d) {
            d.createObjectStore("conversations", {keyPath: "id"});
            d.createObjectStore("messages", {keyPath: "id"}).createIndex("conversation", "conversation");
            d.createObjectStore("files", {keyPath: "id"}).createIndex("conversation", "conversation");
            d.createObjectStore("presets", {keyPath: "id"});
        },
        blocking(_current, _blocked, event) {
            (event.target as IDBDatabase).close(); // a newer page in another tab
            opened = undefined;
        },
        terminated() {
            opened = undefined;
        },
    });
    opened.catch(() => {
        opened = undefined;
    });
    return opened;
}

async function write<T>(work: (d: IDBPDatabase<Schema>) => Promise<T>): Promise<T> {
    try {
        return await work(await db());
    } catch (e) {
        if (e instanceof DOMException && e.name === "QuotaExceededError") throw new Full("The browser's storage is full.");
        throw e;
    }
}

export const allConversations = async (): Promise<Conversation[]> => (await (await db()).getAll("conversations")).map(wholeConversation);
export const messagesOf = async (conversation: string): Promise<Message[]> =>
    (await (await db()).getAllFromIndex("messages", "conversation", conversation)).map(wholeMessage);
export async function getConversation(id: string): Promise<Conversation | undefined> {
    const c = await (await db()).get("conversations", id);
    return c && wholeConversation(c);
}
export const getFile = async (id: string): Promise<StoredFile | undefined> => (await db()).get("files", id);
export const filesOf = async (conversation: string): Promise<StoredFile[]> =>
    (await db()).getAllFromIndex("files", "conversation", conversation);

export const putMessage = (m: Message): Promise<unknown> => write((d) => d.put("messages", m));

/** Another tab may have changed it meanwhile: only the members of change are written. undefined: it is gone. */
export const changeConversation = (id: string, change: Partial<Conversation>): Promise<Conversation | undefined> =>
    write(async (d) => {
        const tx = d.transaction("conversations", "readwrite");
        const before = await tx.store.get(id);
        const after = before && {...before, ...change};
        if (after) await tx.store.put(after);
        await tx.done;
        return after;
    });

/** All or nothing; gone are messages that go as these come. */
export const putAll = (conversations: Conversation[], messages: Message[], files: StoredFile[] = [], gone: string[] = []): Promise<void> =>
    write(async (d) => {
        const tx = d.transaction(["conversations", "messages", "files"], "readwrite");
        await Promise.all([
            ...conversations.map((c) => tx.objectStore("conversations").put(c)),
            ...messages.map((m) => tx.objectStore("messages").put(m)),
            ...files.map((f) => tx.objectStore("files").put(f)),
            ...gone.map((id) => tx.objectStore("messages").delete(id)),
            tx.done,
        ]);
    });

export const dropConversation = (id: string): Promise<void> =>
    write(async (d) => {
        const tx = d.transaction(["conversations", "messages", "files"], "readwrite");
        await tx.objectStore("conversations").delete(id);
        for (const name of ["messages", "files"] as const) {
            for (const key of await tx.objectStore(name).index("conversation").getAllKeys(id)) await tx.objectStore(name).delete(key);
        }
        await tx.done;
    });

/** Every conversation with all that belongs to it; presets stay. */
export const dropAll = (): Promise<void> =>
    write(async (d) => {
        const tx = d.transaction(["conversations", "messages", "files"], "readwrite");
        await Promise.all([tx.objectStore("conversations").clear(), tx.objectStore("messages").clear(), tx.objectStore("files").clear(), tx.done]);
    });

export const dropMessages = (ids: string[]): Promise<void> =>
    write(async (d) => {
        const tx = d.transaction("messages", "readwrite");
        await Promise.all([...ids.map((id) => tx.store.delete(id)), tx.done]);
    });

/** Messages that hold every word, newest first; at most limit. Walks all of them: there is no index of words. */
export async function findMessages(words: string[], limit: number): Promise<Message[]> {
    const found: Message[] = [];
    const tx = (await db()).transaction("messages");
    for await (const cursor of tx.store) {
        const m = wholeMessage(cursor.value);
        const text = m.text.toLocaleLowerCase();
        if (words.every((w) => text.includes(w))) found.push(m);
    }
    return found.sort((a, b) => b.created - a.created).slice(0, limit);
}

export const allPresets = async (): Promise<Preset[]> => (await (await db()).getAll("presets")).map(wholePreset);
export const putPreset = (p: Preset): Promise<unknown> => write((d) => d.put("presets", p));
export const dropPreset = (id: string): Promise<void> => write((d) => d.delete("presets", id));
