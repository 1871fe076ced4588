/** What a screen reader is told of the fleet: that machines come and go, and not more often than somebody can listen to. */
import {effect} from "@preact/signals";
import {say} from "../ui/toasts";
import {fleet} from "./store";
import {news} from "./words";

const PAUSE_MS = 10_000;

export function announce(): () => void {
    let before: string | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const tell = () => {
        timer = undefined;
        const f = fleet.peek();
        const words = f ? news(f) : before;
        if (words === undefined || words === before) return;
        before = words;
        say(words);
        timer = setTimeout(tell, PAUSE_MS);
    };
    const stop = effect(() => {
        const f = fleet.value;
        if (!f) return;
        if (before === undefined) before = news(f); // it stands in the heading
        else if (timer === undefined) tell();
    });
    return () => {
        stop();
        clearTimeout(timer);
    };
}
