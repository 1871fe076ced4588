/** What an answer that has not begun waits for: the gateway's queue, the model's loading, the model. */
import {useEffect, useState} from "preact/hooks";
import {number, t} from "../i18n";
import {modelOf} from "../models/store";
import {type Waiting as State, running} from "./generate";

const QUIET_S = 2;

function text(w: State, model: string): string {
    if (w.place > 0) return t("wait.queued", {n: number(w.place)});
    if (w.loading || modelOf(model)?.loaded === false) return t("wait.loading");
    return t("wait.answer");
}

export function Waiting({id, model}: {id: string; model: string}) {
    const w = running.value.get(id)?.waiting;
    const [now, setNow] = useState(Date.now);
    useEffect(() => {
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, []);
    if (!w) return null;
    const s = Math.floor((now - w.since) / 1000);
    return (
        <p class="waiting">
            <span class="dots" aria-hidden="true">
                <i />
                <i />
                <i />
            </span>
            <span>{text(w, model)}</span>
            {s >= QUIET_S && <span class="quiet-text">{number(s)} s</span>}
        </p>
    );
}
