import type {Signal} from "@preact/signals";
import {type ComponentType, h} from "preact";
import {useEffect, useState} from "preact/hooks";
import {t} from "../i18n";
import {toast} from "./toasts";

/** A view that is not there at first: its code is loaded when it is opened, and it is nothing while it is closed. */
export function lazyView(open: Signal<boolean>, load: () => Promise<ComponentType>): () => ReturnType<typeof h> | null {
    let loaded: ComponentType | undefined;
    return function Lazy() {
        const [, again] = useState(0);
        const wanted = open.value && !loaded;
        useEffect(() => {
            if (!wanted) return;
            load().then(
                (view) => {
                    loaded = view;
                    again((n) => n + 1);
                },
                () => {
                    open.value = false; // the network or the login is gone; the next try may find it
                    toast(t("app.loadFailed"));
                },
            );
        }, [wanted]);
        return open.value && loaded ? h(loaded, null) : null;
    };
}
