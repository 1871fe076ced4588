import type {Message} from "../src/conversations/types";

/** A message of conversation "c": a question where created is odd. */
export const message = (id: string, parent: string, created: number, more: Partial<Message> = {}): Message => ({
    id, conversation: "c", parent, role: created % 2 ? "user" : "assistant", text: id, reasoning: "", calls: [], files: [], model: "m",
    state: "done", finish: "", stats: {}, created, touched: created, ...more,
});
