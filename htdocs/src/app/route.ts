/** The address line: #/c/ID a conversation, #/fleet, #/ a new one. Back and forward work. */
import {effect, signal} from "@preact/signals";
import {currentId, open} from "../conversations/store";

export type View = "chat" | "fleet";
export const view = signal<View>("chat");

const read = (): {view: View; id: string} => {
    const [, first = "", id = ""] = location.hash.split("/");
    return first === "fleet" ? {view: "fleet", id: ""} : {view: "chat", id: first === "c" ? decodeURIComponent(id) : ""};
};

const hashOf = (v: View, id: string): string => (v === "fleet" ? "#/fleet" : id ? `#/c/${encodeURIComponent(id)}` : "#/");

export function show(v: View): void {
    view.value = v;
}

/** Opens a conversation, or with "" the page of a new one. */
export function go(id: string): void {
    view.value = "chat";
    open(id);
}

export function startRoute(): void {
    const follow = () => {
        const to = read();
        view.value = to.view;
        if (to.view === "chat") open(to.id);
    };
    follow();
    addEventListener("popstate", follow);
    let first = true;
    effect(() => {
        const hash = hashOf(view.value, currentId.value);
        if (!first && location.hash !== hash && !(hash === "#/" && location.hash === "")) history.pushState(null, "", hash);
        first = false;
    });
}
