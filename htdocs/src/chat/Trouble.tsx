/** Why an answer failed or was cut, in words, with what can be done. */
import {useEffect, useState} from "preact/hooks";
import {signIn} from "../app/signin";
import type {Message} from "../conversations/types";
import {t} from "../i18n";
import {chosen} from "../models/store";
import {Button} from "../ui/Button";
import {Icon} from "../ui/Icon";
import {goOn, regenerate} from "./generate";
import {tellsServersWords, troubleText} from "./words";

/** Whole seconds until at; it counts down. */
function useCountdown(at: number): number {
    const left = () => Math.max(0, Math.ceil((at - Date.now()) / 1000));
    const [n, set] = useState(left);
    useEffect(() => {
        set(left());
        if (left() === 0) return;
        const timer = setInterval(() => {
            set(left());
            if (left() === 0) clearInterval(timer);
        }, 500);
        return () => clearInterval(timer);
    }, [at]);
    return n;
}

export function TroubleBox({m, last}: {m: Message; last: boolean}) {
    const x = m.trouble;
    const wait = useCountdown(x?.retryAt ?? 0);
    if (!x) return null;
    const model = chosen.value || m.model;
    return (
        <div class={`trouble trouble-${m.state === "cut" ? "cut" : "failed"}`} role="note">
            <Icon name={x.kind === "signin" ? "info" : "warning"} />
            <div>
                <p>{m.state === "cut" && x.kind !== "signin" ? t("trouble.was-cut") : troubleText(x.kind)}</p>
                {m.state === "cut" && x.kind !== "cut" && <p class="quiet-text">{troubleText(x.kind)}</p>}
                {x.message && (tellsServersWords(x.kind) || x.kind === "cut") && (
                    <p class="quiet-text trouble-detail">
                        <bdi>{x.message}</bdi>
                    </p>
                )}
                {last && (
                    <p class="trouble-actions">
                        {x.kind === "signin" && <Button kind="plain" onClick={signIn}>{t("signin.button")}</Button>}
                        {m.text !== "" && (
                            <Button kind="plain" icon="continue" disabled={wait > 0} onClick={() => void goOn(m, model)}>{t("message.continue")}</Button>
                        )}
                        <Button kind="plain" icon="retry" disabled={wait > 0} onClick={() => void regenerate(m, model)}>
                            {wait > 0 ? t("trouble.wait", {n: wait}) : t("app.retry")}
                        </Button>
                    </p>
                )}
            </div>
        </div>
    );
}
