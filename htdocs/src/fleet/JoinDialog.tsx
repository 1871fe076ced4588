import {useComputed, useSignal} from "@preact/signals";
import {useEffect} from "preact/hooks";
import {type Invitation, invite} from "../api/fleet";
import {Trouble, type TroubleKind} from "../api/trouble";
import {number, t} from "../i18n";
import {Button} from "../ui/Button";
import {Dialog} from "../ui/Dialog";
import {Icon} from "../ui/Icon";
import {copyText} from "../ui/copy";
import {ahead, now} from "./store";
import {clock, goodFor, inviteRefusal} from "./words";

/** The command for a new machine. Asked for when the dialog opens: each time is a new code. */
export function JoinDialog({onClose}: {onClose: () => void}) {
    const made = useSignal<Invitation | null>(null);
    const failed = useSignal<TroubleKind | "">("");
    const alive = useSignal(true);

    const ask = async () => {
        made.value = null;
        failed.value = "";
        try {
            const i = await invite();
            if (alive.peek()) made.value = i;
        } catch (e) {
            failed.value = e instanceof Trouble ? e.kind : "server";
        }
    };
    useEffect(() => {
        void ask();
        return () => void (alive.value = false);
    }, []);
    const left = useComputed(() => (made.value?.expires ? goodFor(made.value.expires, now.value + ahead.value) : ""));
    const over = made.value !== null && made.value.expires > 0 && left.value === "";
    const retry = failed.value !== "" && inviteRefusal(failed.value) !== t("fleet.join.admin");
    return (
        <Dialog title={t("fleet.join")} onClose={onClose}>
            <div class="join">
                <div role="status">
                    {failed.value !== "" && (
                        <p class="join-failed">
                            <Icon name="info" />
                            {inviteRefusal(failed.value)}
                        </p>
                    )}
                    {failed.value === "" && !made.value && <p class="quiet-text">{t("fleet.join.making")}</p>}
                    {over && <p>{t("fleet.join.over")}</p>}
                    {made.value && !over && <p>{t("fleet.join.intro")}</p>}
                </div>
                {made.value && !over && (
                    <>
                        <Command system={t("fleet.join.bash")} text={made.value.bash} />
                        <Command system={t("fleet.join.powershell")} text={made.value.powershell} />
                        <p class="quiet-text">{goodWords(made.value, left.value)}</p>
                    </>
                )}
                {(over || retry) && (
                    <p>
                        <Button kind="plain" icon="retry" onClick={() => void ask()}>
                            {t("fleet.join.new")}
                        </Button>
                    </p>
                )}
            </div>
        </Dialog>
    );
}

function goodWords(i: Invitation, time: string): string {
    if (!i.expires) return t("fleet.join.once");
    const until = clock(i.expires - ahead.value, now.peek());
    return i.uses === 1 ? t("fleet.join.good1", {time, until}) : t("fleet.join.good", {time, until, n: number(i.uses)});
}

const COPIED_MS = 2000;

function Command({system, text}: {system: string; text: string}) {
    const copied = useSignal(false);
    if (!text) return null;
    const copy = async () => {
        copied.value = await copyText(text);
        setTimeout(() => (copied.value = false), COPIED_MS);
    };
    return (
        <div class="join-command">
            <h3>{system}</h3>
            <div>
                <code dir="ltr" tabIndex={0} aria-label={system}>
                    {text.split(" ").flatMap((x, i) => [i > 0 ? " " : "", <span key={i}>{x}</span>])}
                </code>
                <Button icon={copied.value ? "check" : "copy"} label={t("fleet.join.copy", {system})} onClick={() => void copy()} />
            </div>
            <span class="unseen" role="status">
                {copied.value && t("app.copied")}
            </span>
        </div>
    );
}
