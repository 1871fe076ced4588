import "./settings.css";
import {useEffect, useRef, useState} from "preact/hooks";
import * as store from "../conversations/store";
import type {Conversation, Params} from "../conversations/types";
import {t} from "../i18n";
import {Button} from "../ui/Button";
import {Dialog} from "../ui/Dialog";
import {Segments} from "../ui/Segments";
import {panelOpen} from "./Panel";
import {Presets} from "./PresetList";
import {type NumberParam, STOP_CHARS, STOP_MAX, efforts, numberParams, ranges, readNumber, readStops, withParam, writeStops} from "./params";

const WRITE_MS = 300;

function set<K extends keyof Params>(name: K, value: Params[K] | undefined): void {
    const c = store.current.peek();
    store.change(c.id, {params: withParam(c.params, name, value)});
}

/** A field of text of which each good state is kept; a bad one is told and not kept. */
function Field({id, label, hint, bad, begin, take, lines, empty}: {
    id: string; label: string; hint: string; bad: string; begin: string; take: (text: string) => boolean; lines?: number; empty?: string;
}) {
    const [good, setGood] = useState(true);
    const common = {
        id, class: "input", defaultValue: begin, placeholder: empty ?? t("panel.own"), autocomplete: "off", spellcheck: false,
        "aria-invalid": !good, "aria-describedby": `${id}-hint${good ? "" : ` ${id}-bad`}`,
    } as const;
    return (
        <div class="field param">
            <label for={id}>{label}</label>
            {lines ? (
                <textarea {...common} rows={lines} onInput={(e) => setGood(take(e.currentTarget.value))} />
            ) : (
                <input {...common} inputMode="decimal" onInput={(e) => setGood(take(e.currentTarget.value))} />
            )}
            {!good && <p class="param-bad" id={`${id}-bad`} role="alert">{bad}</p>}
            <p class="quiet-text" id={`${id}-hint`}>{hint}</p>
        </div>
    );
}

function NumberField({name, params}: {name: NumberParam; params: Params}) {
    const {min, max, whole} = ranges[name];
    return (
        <Field
            id={`param-${name}`}
            label={t(`param.${name}`)}
            hint={t(`param.${name}.hint`)}
            bad={t(whole ? "panel.range.whole" : "panel.range", {min, max})}
            begin={params[name] === undefined ? "" : String(params[name])}
            take={(text) => {
                const n = readNumber(name, text);
                if (n !== null) set(name, n);
                return n !== null;
            }}
        />
    );
}

function Parameters({params}: {params: Params}) {
    return (
        <div class="params">
            {numberParams.map((name) => (
                <NumberField key={name} name={name} params={params} />
            ))}
            <Field
                id="param-stop"
                label={t("param.stop")}
                hint={t("param.stop.hint")}
                bad={t("panel.stop.bad", {n: STOP_MAX, chars: STOP_CHARS})}
                begin={writeStops(params.stop)}
                lines={2}
                empty={t("panel.none")}
                take={(text) => {
                    const stops = readStops(text);
                    if (stops !== null) set("stop", stops);
                    return stops !== null;
                }}
            />
            <div class="field param">
                <span id="param-effort">{t("param.effort")}</span>
                <Segments label={t("param.effort")} value={params.reasoning_effort ?? ""}
                    onChange={(v) => set("reasoning_effort", efforts.find((x) => x === v))}
                    options={[{value: "", label: t("panel.own")}, ...efforts.map((value) => ({value, label: t(`param.effort.${value}`)}))]} />
                <p class="quiet-text">{t("param.effort.hint")}</p>
            </div>
        </div>
    );
}

export function PanelDialog() {
    const c = store.current.value;
    // The fields begin anew when a preset or a reset changes them from outside.
    const [round, setRound] = useState(0);
    /** What a reset took away. */
    const [before, setBefore] = useState<Pick<Conversation, "system" | "params"> | null>(null);
    const system = useRef<HTMLTextAreaElement>(null);
    const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
    const flush = () => {
        clearTimeout(timer.current);
        const text = system.current?.value;
        if (text !== undefined && text !== store.current.peek().system) store.change(c.id, {system: text});
    };
    useEffect(() => {
        addEventListener("pagehide", flush);
        return () => removeEventListener("pagehide", flush);
    }, [c.id]);
    const close = () => {
        flush();
        panelOpen.value = false;
    };
    const put = (what: Pick<Conversation, "system" | "params">) => {
        clearTimeout(timer.current);
        store.change(c.id, what);
        setRound(round + 1);
    };
    const some = c.system !== "" || Object.keys(c.params).length > 0;
    return (
        <Dialog title={t("panel.title")} wide onClose={close} actions={
            <>
                {before && !some ? (
                    <Button icon="retry" onClick={() => put(before)}>{t("app.undo")}</Button>
                ) : (
                    <Button disabled={!some} onClick={() => {
                        flush();
                        const {system: words, params} = store.current.peek();
                        setBefore({system: words, params});
                        put({system: "", params: {}});
                    }}>{t("panel.reset")}</Button>
                )}
                <Button kind="primary" onClick={close}>{t("panel.done")}</Button>
            </>
        }>
            <div class="set" key={`${c.id} ${round}`}>
                <section class="field">
                    <label for="panel-system" class="set-title">{t("panel.system")}</label>
                    <p class="quiet-text" id="panel-system-hint">{t("panel.system.hint")}</p>
                    <textarea ref={system} id="panel-system" class="input" rows={5} dir="auto" defaultValue={c.system} maxLength={100_000}
                        placeholder={t("panel.system.placeholder")} aria-describedby="panel-system-hint"
                        onInput={() => {
                            clearTimeout(timer.current);
                            timer.current = setTimeout(flush, WRITE_MS);
                        }}
                        onBlur={flush} />
                </section>
                <Presets before={flush} applied={() => setRound((n) => n + 1)} />
                <section>
                    <h3>{t("panel.params")}</h3>
                    <p class="quiet-text">{t("panel.params.hint")}</p>
                    <Parameters params={c.params} />
                </section>
            </div>
        </Dialog>
    );
}
