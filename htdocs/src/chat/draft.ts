/** What stands in the message box; id is the conversation's, which may be another than the current one by now. Kept with its conversation; of a new one in this tab, through a reload and a login. */
import * as store from "../conversations/store";

const NEW = "dgon.draft";
const LEFT = "dgon.left.draft.";

/** What a page that goes has in its box: its database does not take that any more, see conversations/left.ts. */
export function leaveDraft(id: string, text: string): void {
    keepDraft(id, text);
    if (!store.isKept(id)) return;
    try {
        if (text) localStorage.setItem(LEFT + id, text);
        else localStorage.removeItem(LEFT + id);
    } catch {
        // then the database has what stood there a moment ago
    }
}

/** Once. */
function takeLeftDraft(id: string): string {
    try {
        const text = localStorage.getItem(LEFT + id) ?? "";
        localStorage.removeItem(LEFT + id);
        return text;
    } catch {
        return "";
    }
}

export function draftOf(id: string): string {
    if (store.isKept(id)) {
        const left = takeLeftDraft(id);
        if (left) store.change(id, {draft: left});
        return store.current.peek().draft;
    }
    try {
        return sessionStorage.getItem(NEW) ?? "";
    } catch {
        return "";
    }
}

export function keepDraft(id: string, text: string): void {
    if (store.isKept(id)) return store.change(id, {draft: text});
    try {
        if (text) sessionStorage.setItem(NEW, text);
        else sessionStorage.removeItem(NEW);
    } catch {
        // it stays in the box
    }
}
