/** Answers as they are written: from the gateway's stream to the message on the screen and in the database.
 *  One writer a message; any number of conversations at once. */
import {signal} from "@preact/signals";
import {type ChatEvent, streamChat} from "../api/stream";
import {Trouble} from "../api/trouble";
import * as store from "../conversations/store";
import {leave} from "../conversations/left";
import {asWriter, tell} from "../conversations/tabs";
import type {Attachment, Conversation, Message, StoredFile} from "../conversations/types";
import {newId} from "../ui/id";
import {filesFor} from "./attachments";
import {chatRequest} from "./request";

/** How often an answer is kept while it grows. */
const KEEP_MS = 500;

/** What is known of an answer that has not begun. */
export interface Waiting {
    since: number;
    /** Place in the queue; 0: not in it. */
    place: number;
    loading: boolean;
}

export interface Running {
    conversation: string;
    stop: () => void;
    /** null: it is being written. */
    waiting: Waiting | null;
}

/** Answers that this tab writes, by the message's id. */
export const running = signal<ReadonlyMap<string, Running>>(new Map());

function setRunning(id: string, value: Running | null): void {
    const next = new Map(running.peek());
    if (value) next.set(id, value);
    else next.delete(id);
    running.value = next;
}

export const stop = (id: string): void => running.peek().get(id)?.stop();

const blank = (c: Conversation, parent: string, role: Message["role"]): Message => ({
    id: newId(), conversation: c.id, parent, role, text: "", reasoning: "", calls: [], files: [], model: "", state: "done",
    finish: "", stats: {}, created: Date.now(), touched: Date.now(),
});

/** Did nothing come at all? */
const isBlank = (m: Message): boolean => m.text === "" && m.reasoning === "" && m.calls.length === 0 && m.files.length === 0;

/** A frame of the screen; where nothing is painted because the tab is hidden, a moment. */
function frame(run: () => void): void {
    if (document.hidden) setTimeout(run, 100);
    else requestAnimationFrame(run);
}

/** Gathers what comes between two frames into one change of the message. */
class Writer {
    message: Message;
    private readonly began = performance.now();
    private thoughtFrom = 0;
    private pieces = 0;
    private due = false;
    private kept = performance.now();
    private closed = false;

    constructor(
        m: Message,
        private readonly stopper: () => void,
    ) {
        this.message = m;
        this.run({since: Date.now(), place: 0, loading: false});
    }

    private run(waiting: Waiting | null): void {
        setRunning(this.message.id, {conversation: this.message.conversation, stop: this.stopper, waiting});
    }

    private wait(change: Partial<Waiting>): void {
        const w = running.peek().get(this.message.id)?.waiting;
        if (w) this.run({...w, ...change});
    }

    private first(): void {
        if (this.message.stats.first !== undefined) return;
        this.message.stats = {...this.message.stats, first: performance.now() - this.began};
        this.run(null);
    }

    private thought(): void {
        if (this.thoughtFrom === 0 || this.message.stats.reasoning !== undefined) return;
        this.message.stats = {...this.message.stats, reasoning: performance.now() - this.thoughtFrom};
    }

    readonly on = (e: ChatEvent): void => {
        const m = this.message;
        switch (e.type) {
            case "queued":
                return this.wait({place: e.place, loading: false});
            case "loading":
                return this.wait({place: 0, loading: true});
            case "model":
                m.model = e.model;
                return;
            case "reasoning":
                this.first();
                this.thoughtFrom ||= performance.now();
                m.reasoning += e.text;
                this.pieces++;
                break;
            case "text":
                this.first();
                this.thought();
                m.text += e.text;
                this.pieces++;
                break;
            case "call": {
                this.first();
                this.thought();
                const calls = [...m.calls];
                const before = calls[e.call.index] ?? {id: "", name: "", arguments: ""};
                calls[e.call.index] = {
                    id: e.call.id ?? before.id, name: before.name + (e.call.name ?? ""), arguments: before.arguments + (e.call.arguments ?? ""),
                };
                m.calls = calls.slice(0, 128);
                break;
            }
            case "finish":
                m.finish = e.reason;
                break;
            case "usage":
                m.stats = {...m.stats, prompt: e.prompt, completion: e.completion};
                break;
        }
        this.show();
    };

    private show(): void {
        if (this.due) return;
        this.due = true;
        frame(() => {
            this.due = false;
            if (this.closed) return;
            const now = performance.now();
            const save = now - this.kept >= KEEP_MS;
            if (save) this.kept = now;
            this.message.touched = Date.now();
            this.message = {...this.message};
            store.update(this.message, save);
        });
    }

    /** Another tab writes it: not a word of it is ours. */
    leave(): void {
        this.closed = true;
        setRunning(this.message.id, null);
    }

    end(change: Partial<Message>): void {
        this.closed = true;
        this.thought();
        const stats = {...this.message.stats, total: performance.now() - this.began};
        if (stats.completion === undefined && this.pieces > 0) Object.assign(stats, {completion: this.pieces, estimated: true});
        this.message = {...this.message, ...change, stats, touched: Date.now()};
        // A browser ends the streams of a page that goes before it says so; and until the database has the end, the page may go.
        if (this.message.state !== "failed") leave(this.message);
        store.update(this.message);
        setRunning(this.message.id, null);
    }
}

function failure(e: unknown, m: Message): Partial<Message> {
    const x = e instanceof Trouble ? e : new Trouble("server", e instanceof Error ? e.message : String(e));
    if (!(e instanceof Trouble)) console.error(e);
    return {
        state: isBlank(m) ? "failed" : "cut",
        trouble: {kind: x.kind, message: x.message === x.kind ? "" : x.message, status: x.status, retryAt: x.retryAfter ? Date.now() + x.retryAfter * 1000 : 0},
    };
}

/** Writes m, the end of path, until it is whole, stopped or cut; where another tab writes it already, nothing. began is called before the
 *  first word. Never throws. */
async function write(c: Conversation, m: Message, path: Message[], began = () => {}): Promise<void> {
    const abort = new AbortController();
    const w = new Writer(m, () => abort.abort());
    store.writing.add(m.id);
    // A page that goes, by a reload too, keeps what it has.
    const going = () => leave(w.message);
    addEventListener("pagehide", going);
    try {
        const mine = await asWriter(m.id, async () => {
            began();
            try {
                const request = await chatRequest(c, m.model, path, filesFor);
                await streamChat(request, w.on, abort.signal);
                w.end(isBlank(w.message) ? failure(new Trouble("empty"), w.message) : {state: "done"});
            } catch (e) {
                w.end(abort.signal.aborted ? {state: "stopped"} : failure(e, w.message));
            }
        });
        if (!mine) w.leave();
    } finally {
        removeEventListener("pagehide", going);
        store.writing.delete(m.id);
        tell({what: "messages", id: c.id});
    }
}

function answerTo(c: Conversation, parent: string, model: string): Message {
    const m = blank(c, parent, "assistant");
    return {...m, model, state: "streaming", created: m.created + 1};
}

/** A question on the end of the branch, or beside an edited one (then parent is said), and its answer. */
export async function send(text: string, attached: {files: Attachment[]; stored: StoredFile[]}, model: string, parent?: string): Promise<void> {
    await store.whole();
    const c = store.current.peek();
    const before = parent ?? c.leaf;
    const q: Message = {...blank(c, before, "user"), text, files: attached.files};
    const a = answerTo(c, q.id, model);
    const path = [...pathBefore(before), q];
    await store.add([q, a], attached.stored.map((f) => ({...f, conversation: c.id})));
    store.change(c.id, {model, draft: ""});
    await write({...store.current.peek(), model}, a, path);
}

const pathBefore = (id: string): Message[] => {
    const out: Message[] = [];
    for (let m = store.messages.peek().get(id); m && !out.includes(m); m = store.messages.peek().get(m.parent)) out.unshift(m);
    return out;
};

/** Another answer to the same question. It takes the place of one with nothing in it from which nothing followed: nobody looks for
 *  that one again. Every other one stays as a version. It never takes a name over: another tab may try again at the same moment. */
export async function regenerate(m: Message, model: string): Promise<void> {
    const c = store.current.peek();
    const a = answerTo(c, m.role === "user" ? m.id : m.parent, model);
    const path = pathBefore(a.parent);
    const replaces = m.role === "assistant" && m.state !== "streaming" && isBlank(m) && ![...store.messages.peek().values()].some((x) => x.parent === m.id);
    if (replaces) a.created = m.created;
    await store.add([a], [], replaces ? [m.id] : []);
    await write({...c, model}, a, path);
}

/** Goes on where an answer ended: the model is shown its own beginning. */
export async function goOn(m: Message, model: string): Promise<void> {
    const c = store.current.peek();
    const {trouble: _, ...rest} = m;
    const next: Message = {...rest, state: "streaming", finish: "", model, stats: {}, touched: Date.now()};
    const path = pathBefore(m.id);
    await write({...c, model}, next, path, () => store.update(next));
}
