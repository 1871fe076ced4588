/** The conversations of this browser, and the one that is open. Views read the signals and call the functions. */
import {batch, computed, signal} from "@preact/signals";
import {toast} from "../ui/toasts";
import {newId} from "../ui/id";
import {t} from "../i18n";
import * as db from "./db";
import {forgetChange, forgetUndone, leaveChange, leaveUndone, takeChanges, takeLeft, takeUndone} from "./left";
import {hasWriter, listen, tell} from "./tabs";
import {type Messages, newestLeaf, pathTo, subtree, titleOf} from "./tree";
import type {Conversation, Message, StoredFile} from "./types";

const byId = signal<ReadonlyMap<string, Conversation>>(new Map());
export const ready = signal(false);
/** Why nothing is kept, when the browser lets us keep nothing; "" if all is well. */
export const storageTrouble = signal<"" | "none" | "full">("");

/** "" is the empty page, before the first question of a new conversation. */
export const currentId = signal("");
export const messages = signal<Messages>(new Map());
/** A conversation that is not there. */
export const missing = signal(false);

/** What a new conversation begins with; it is written with its first message. */
const fresh = (): Conversation => ({
    id: newId(), title: "", named: false, created: Date.now(), updated: Date.now(), pinned: false, folder: "", model: "",
    system: "", params: {}, leaf: "", draft: "", deleted: 0,
});
const unsaved = signal<Conversation>(fresh());

export const current = computed<Conversation>(() => byId.value.get(currentId.value) ?? unsaved.value);
export const path = computed<Message[]>(() => pathTo(messages.value, current.value.leaf));
/** Pinned first, then newest first. */
export const list = computed<Conversation[]>(() =>
    [...byId.value.values()].filter((c) => !c.deleted).sort((a, b) => Number(b.pinned) - Number(a.pinned) || b.updated - a.updated),
);
export const folders = computed<string[]>(() => [...new Set(list.value.map((c) => c.folder).filter(Boolean))].sort());

/** What the browser did not take. It is here while the page is open, and is tried again as soon as something else was taken. */
const unkept = {messages: new Map<string, Message>(), files: new Map<string, StoredFile>()};
let trying = false;

async function keepUnkept(): Promise<void> {
    if (trying) return;
    trying = true;
    const ms = [...unkept.messages.values()];
    const fs = [...unkept.files.values()];
    const cs = [...new Set(ms.map((m) => m.conversation))].flatMap((id) => byId.peek().get(id) ?? []);
    try {
        await db.putAll(cs, ms, fs);
        for (const m of ms) if (unkept.messages.get(m.id) === m) unkept.messages.delete(m.id);
        for (const f of fs) unkept.files.delete(f.id);
        if (unkept.messages.size === 0) storageTrouble.value = "";
    } catch {
        // there is still no room
    }
    trying = false;
}

function forgetUnkept(gone: (m: Message) => boolean): void {
    for (const m of unkept.messages.values()) {
        if (!gone(m)) continue;
        unkept.messages.delete(m.id);
        for (const f of m.files) unkept.files.delete(f.id);
    }
}

/** What cannot be kept stays on the screen, and the person is told once. */
export async function keep(work: Promise<unknown>): Promise<boolean> {
    try {
        await work;
        if (storageTrouble.peek()) void keepUnkept();
        return true;
    } catch (e) {
        const why = e instanceof db.Full ? "full" : "none";
        if (storageTrouble.value !== why) console.error(e);
        storageTrouble.value = why;
        return false;
    }
}

function setLocal(c: Conversation): void {
    byId.value = new Map(byId.peek()).set(c.id, c);
}

function dropLocal(id: string): void {
    const all = new Map(byId.peek());
    if (!all.delete(id)) return;
    forgetUnkept((m) => m.conversation === id);
    byId.value = all;
    if (currentId.peek() === id) open("");
}

export const isKept = (id: string): boolean => byId.peek().has(id);

/** Opens id, or the empty page. Tells the address line: app/route.ts follows currentId. */
export function open(id: string): void {
    if (id === currentId.peek() && (id !== "" || messages.peek().size === 0)) return;
    batch(() => {
        if (id === "" && byId.peek().has(unsaved.peek().id)) unsaved.value = fresh();
        currentId.value = id;
        messages.value = new Map();
        missing.value = id !== "" && ready.peek() && !byId.peek().has(id);
    });
    if (id !== "" && ready.peek()) void loadMessages(id);
}

/** How long an answer of another tab may be silent before we look whether that tab is still there. */
const LOOK_MS = 3000;

let loads = Promise.resolve();
/** One after the other: what one of them repairs the next one finds repaired. */
function loadMessages(id: string): Promise<void> {
    loads = loads.then(() => readMessages(id)).catch((e: unknown) => console.error(e));
    return loads;
}

async function readMessages(id: string): Promise<void> {
    const found = await db.messagesOf(id).catch((): Message[] => []);
    if (currentId.peek() !== id) return;
    for (const [i, m] of found.entries()) {
        if (m.state !== "streaming" || writing.has(m.id)) continue;
        if (await hasWriter(m.id, m.touched)) {
            lookAgain(id); // its tab may go without a word
            continue;
        }
        const last = takeLeft(m);
        found[i] = last.state !== "streaming" ? last : {...last, state: last.text || last.reasoning ? "cut" : "failed", trouble: {kind: "cut", message: "", status: 0, retryAt: 0}};
        await keep(db.putMessage(found[i]));
    }
    if (currentId.peek() !== id) return;
    // What this tab writes, or could not keep, is newer here than in the database.
    const now = new Map(found.map((m) => [m.id, m]));
    for (const m of unkept.messages.values()) if (m.conversation === id) now.set(m.id, m);
    for (const m of messages.peek().values()) if (writing.has(m.id) || adding.has(m.id)) now.set(m.id, m);
    messages.value = now;
}

let looking: ReturnType<typeof setTimeout> | undefined;
function lookAgain(id: string): void {
    clearTimeout(looking);
    looking = setTimeout(() => {
        if (currentId.peek() === id) void loadMessages(id);
    }, LOOK_MS);
}

/** Messages on their way into the database for the first time. */
const adding = new Set<string>();
/** Messages that this tab writes at the moment: chat/generate.ts adds and removes. */
export const writing = new Set<string>();

/** Another tab changed it. What is changed here while it is read is not in what was read: then it is read again. */
async function readConversation(id: string): Promise<void> {
    for (;;) {
        const before = byId.peek().get(id);
        const c = await db.getConversation(id);
        if (byId.peek().get(id) !== before) continue;
        if (c) setLocal(c);
        return;
    }
}

const DELETED_KEEP_MS = 60_000;

let started = Promise.resolve();
export const start = (): Promise<void> => (started = readAll());

/** When the conversation that is open has been read: a question sent before would go to a new one, or without what was said. */
export async function whole(): Promise<void> {
    await started;
    await loads;
}

async function readAll(): Promise<void> {
    try {
        for (const [id, what] of takeChanges()) await keep(db.changeConversation(id, what));
        const all = await db.allConversations();
        const gone = all.filter((c) => c.deleted && Date.now() - c.deleted > DELETED_KEEP_MS);
        for (const c of gone) await keep(db.dropConversation(c.id));
        // What began here meanwhile is not in what was read.
        byId.value = new Map([...all.filter((c) => !gone.includes(c)).map((c) => [c.id, c] as const), ...byId.peek()]);
        const undone = takeUndone().filter((m) => isKept(m.conversation));
        if (undone.length > 0) await keep(db.putAll([], undone));
    } catch (e) {
        console.error(e);
        storageTrouble.value = "none";
    }
    listen((news) => {
        if (news.what === "dropped") dropLocal(news.id);
        else if (news.what === "messages") {
            if (news.id === currentId.peek()) void loadMessages(news.id);
        } else {
            void readConversation(news.id);
        }
    });
    ready.value = true;
    const id = currentId.peek();
    missing.value = id !== "" && !byId.peek().has(id);
    if (id !== "") void loadMessages(id);
}

/** What is on its way into the database, by conversation. */
const changing = new Map<string, Partial<Conversation>>();

/** Changes members of a conversation, here, in the database and in other tabs. */
export function change(id: string, what: Partial<Conversation>): void {
    const c = byId.peek().get(id);
    if (!c) {
        if (id === unsaved.peek().id) unsaved.value = {...unsaved.peek(), ...what};
        return;
    }
    setLocal({...c, ...what});
    const mine = {...changing.get(id), ...what};
    changing.set(id, mine);
    leaveChange(id, mine);
    void keep(db.changeConversation(id, what)).then(() => {
        if (changing.get(id) === mine) {
            changing.delete(id);
            forgetChange(id);
        }
        tell({what: "conversation", id});
    });
}

/** Puts messages on the end of the current branch and keeps them; the first one makes the conversation real. gone go as they come. */
export async function add(added: Message[], files: StoredFile[] = [], gone: string[] = []): Promise<boolean> {
    const last = added[added.length - 1];
    if (!last) return true;
    const known = byId.peek().get(last.conversation);
    const before = known ?? unsaved.peek();
    const question = added.find((m) => m.role === "user");
    const c: Conversation = {...before, leaf: last.id, updated: Date.now()};
    if (!c.named && !c.title && question) c.title = titleOf(question.text) || question.files[0]?.name || "";
    batch(() => {
        setLocal(c);
        currentId.value = c.id;
        const all = new Map(messages.peek());
        for (const m of added) all.set(m.id, m);
        for (const id of gone) all.delete(id);
        messages.value = all;
    });
    forgetUnkept((m) => gone.includes(m.id));
    for (const m of added) adding.add(m.id);
    const good = await keep(db.putAll([c], added, files, gone));
    for (const m of added) adding.delete(m.id);
    if (!good) {
        // An answer may have grown meanwhile.
        for (const m of added) unkept.messages.set(m.id, unkept.messages.get(m.id) ?? m);
        for (const f of files) unkept.files.set(f.id, f);
    }
    tell({what: "conversation", id: c.id});
    tell({what: "messages", id: c.id});
    return good;
}

/** A newer state of a message, here at once; save also keeps it. */
export function update(m: Message, save = true): void {
    if (m.conversation === currentId.peek() && messages.peek().has(m.id)) messages.value = new Map(messages.peek()).set(m.id, m);
    if (unkept.messages.has(m.id)) unkept.messages.set(m.id, m); // an older state must not be kept after this one
    if (!save) return;
    void keep(db.putMessage(m)).then((good) => {
        if (good) unkept.messages.delete(m.id);
        else unkept.messages.set(m.id, m);
        if (good && m.state !== "streaming") takeLeft(m);
        tell({what: "messages", id: m.conversation});
    });
}

/** Shows another version of a message, with what followed from it. */
export function choose(id: string): void {
    change(current.peek().id, {leaf: newestLeaf(messages.peek(), id)});
}

/** Takes a message away with all that followed from it. */
export function removeMessage(id: string): void {
    const m = messages.peek().get(id);
    if (!m) return;
    const gone = subtree(messages.peek(), id).filter((x) => !writing.has(x));
    const kept = [...messages.peek().values()].filter((x) => gone.includes(x.id));
    const conversation = m.conversation;
    const leaf = current.peek().leaf;
    const rest = new Map(messages.peek());
    for (const x of gone) rest.delete(x);
    const other = [...rest.values()].filter((x) => x.parent === m.parent && x.role === m.role).sort((a, b) => b.created - a.created)[0];
    messages.value = rest;
    forgetUnkept((x) => gone.includes(x.id));
    change(conversation, {leaf: other ? newestLeaf(rest, other.id) : m.parent});
    void keep(db.dropMessages(gone)).then(() => tell({what: "messages", id: conversation}));
    toast(t("message.deleted"), {
        label: t("app.undo"),
        run: () => {
            if (currentId.peek() === conversation) messages.value = new Map([...messages.peek(), ...kept.map((x) => [x.id, x] as const)]);
            change(conversation, {leaf});
            leaveUndone(id, kept);
            void keep(db.putAll([], kept)).then((good) => {
                if (good) forgetUndone(id);
                tell({what: "messages", id: conversation});
            });
        },
    });
}

/** Deletes a conversation; for some seconds that can be undone. */
export function remove(id: string): void {
    const c = byId.peek().get(id);
    if (!c) return;
    change(id, {deleted: Date.now()});
    if (currentId.peek() === id) open("");
    toast(
        t("conversation.deleted", {title: c.title}),
        {label: t("app.undo"), run: () => change(id, {deleted: 0})},
        () => {
            if (!byId.peek().get(id)?.deleted) return;
            dropLocal(id);
            void keep(db.dropConversation(id)).then(() => tell({what: "dropped", id}));
        },
    );
}

export function rename(id: string, title: string): void {
    if (title.trim()) change(id, {title: title.trim().slice(0, 200), named: true});
}

/** Conversations from a file: beside what is there, never instead of it. */
export async function take(cs: Conversation[], ms: Message[], files: StoredFile[]): Promise<boolean> {
    if (!(await keep(db.putAll(cs, ms, files)))) return false;
    byId.value = new Map([...byId.peek(), ...cs.map((c) => [c.id, c] as const)]);
    for (const c of cs) tell({what: "conversation", id: c.id});
    return true;
}

/** All of them, for good. No answer may be being written: see settings/wipe.ts. */
export async function removeAll(): Promise<boolean> {
    if (!(await keep(db.dropAll()))) return false;
    const ids = [...byId.peek().keys()];
    byId.value = new Map();
    forgetUnkept(() => true);
    open("");
    for (const id of ids) tell({what: "dropped", id});
    return true;
}
