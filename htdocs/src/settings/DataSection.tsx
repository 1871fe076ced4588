import {type Signal, useSignal} from "@preact/signals";
import {useRef} from "preact/hooks";
import {exportAll, importFiles} from "../conversations/export";
import {list} from "../conversations/store";
import {number, t} from "../i18n";
import {Button} from "../ui/Button";
import {wipe} from "./wipe";

/** Asks for a word to be typed: what this does cannot be undone. */
function Wipe({done}: {done: (words: string) => void}) {
    const typed = useSignal("");
    const word = t("set.wipe.word");
    const sure = typed.value.trim().toLocaleLowerCase() === word.toLocaleLowerCase();
    return (
        <form class="set-wipe" onSubmit={(e) => {
            e.preventDefault();
            if (sure) void wipe().then((good) => done(t(good ? "set.wipe.done" : "set.wipe.failed")));
        }}>
            <p id="set-wipe-ask">{t("set.wipe.ask", {n: number(list.value.length)})}</p>
            <label class="field">
                <span>{t("set.wipe.type", {word})}</span>
                <input class="input" autocomplete="off" autocapitalize="off" spellcheck={false} aria-describedby="set-wipe-ask"
                    ref={(el) => el?.focus()} onInput={(e) => (typed.value = e.currentTarget.value)} />
            </label>
            <div class="set-buttons">
                <Button kind="plain" onClick={() => done("")}>{t("app.cancel")}</Button>
                <Button kind="danger" class="set-sure" icon="trash" type="submit" disabled={!sure}>{t("set.wipe.do")}</Button>
            </div>
        </form>
    );
}

export function DataSection({busy}: {busy: Signal<boolean>}) {
    const chooser = useRef<HTMLInputElement>(null);
    const wiping = useSignal(false);
    // Toasts are behind an open dialog: what came of it is said here too.
    const words = useSignal("");
    const run = async (work: () => Promise<string | void>) => {
        busy.value = true;
        words.value = t("set.import.busy");
        words.value = (await work()) ?? "";
        busy.value = false;
    };
    return (
        <section>
            <h3>{t("set.data")}</h3>
            <p class="quiet-text">{t("set.data.hint")} {t("set.import.hint")}</p>
            <input ref={chooser} type="file" accept=".json,.zip,application/json,application/zip" multiple hidden onChange={(e) => {
                const files = [...(e.currentTarget.files ?? [])];
                e.currentTarget.value = "";
                if (files.length > 0) void run(() => importFiles(files));
            }} />
            <div class="set-buttons">
                <Button kind="plain" icon="download" disabled={busy.value || list.value.length === 0} onClick={() => void run(exportAll)}>
                    {t("set.export")}
                </Button>
                <Button kind="plain" icon="upload" disabled={busy.value} onClick={() => chooser.current?.click()}>{t("set.import")}</Button>
                {!wiping.value && (
                    <Button kind="danger" icon="trash" disabled={busy.value || list.value.length === 0} onClick={() => (wiping.value = true)}>
                        {t("set.wipe")}
                    </Button>
                )}
            </div>
            {wiping.value && (
                <Wipe done={(said) => {
                    wiping.value = false;
                    words.value = said;
                }} />
            )}
            <p class="set-said" role="status">{words.value}</p>
        </section>
    );
}
