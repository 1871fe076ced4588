/** A conversation is a tree of messages: an edited question and a regenerated answer are siblings of the first. */
import type {TroubleKind} from "../api/trouble";

export interface Conversation {
    id: string;
    title: string;
    /** Given by the person: the first question no longer changes it. */
    named: boolean;
    created: number;
    updated: number;
    pinned: boolean;
    /** "" is none. */
    folder: string;
    model: string;
    system: string;
    params: Params;
    /** The last message of the branch that is shown; "" while there is none. */
    leaf: string;
    /** What stands in the message box and was not sent. */
    draft: string;
    /** When it was deleted; it goes for good when nobody undoes that. 0: it was not. */
    deleted: number;
}

/** Members of the request; what is missing is the model's own. */
export interface Params {
    temperature?: number;
    top_p?: number;
    max_tokens?: number;
    seed?: number;
    presence_penalty?: number;
    frequency_penalty?: number;
    stop?: string[];
    reasoning_effort?: "low" | "medium" | "high";
}

export interface ToolCall {
    id: string;
    name: string;
    arguments: string;
}

/** done: whole. stopped: by the person. cut: it ended in its middle, or the page went. failed: nothing came. */
export type MessageState = "done" | "streaming" | "stopped" | "cut" | "failed";

export interface Stats {
    /** Milliseconds from the question to the first token, and to the end. */
    first?: number;
    total?: number;
    /** How long it thought. */
    reasoning?: number;
    prompt?: number;
    completion?: number;
    /** 1 if the tokens were counted here, by the pieces that came. */
    estimated?: boolean;
}

export interface Message {
    id: string;
    conversation: string;
    /** "": the first of its conversation. */
    parent: string;
    role: "user" | "assistant";
    text: string;
    reasoning: string;
    calls: ToolCall[];
    files: Attachment[];
    model: string;
    state: MessageState;
    /** OpenAI's finish_reason. */
    finish: string;
    trouble?: {kind: TroubleKind; message: string; status: number; retryAt: number};
    stats: Stats;
    created: number;
    /** When a tab last wrote it while it streamed. */
    touched: number;
}

/** Its content is in the store "files" under id. */
export interface Attachment {
    id: string;
    name: string;
    type: string;
    size: number;
    kind: "image" | "text";
}

export interface StoredFile {
    id: string;
    conversation: string;
    blob: Blob;
}

/** A system prompt with parameters, to begin conversations with. */
export interface Preset {
    id: string;
    name: string;
    system: string;
    params: Params;
    model: string;
}
