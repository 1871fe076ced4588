import {useLayoutEffect, useMemo, useRef, useState} from "preact/hooks";
import * as store from "../conversations/store";
import type {Message as Data, ToolCall} from "../conversations/types";
import {number, seconds, t} from "../i18n";
import {chosen, models} from "../models/store";
import {showStats} from "../settings/prefs";
import {Button} from "../ui/Button";
import {copyText} from "../ui/copy";
import {Icon} from "../ui/Icon";
import {Menu} from "../ui/Menu";
import {say} from "../ui/toasts";
import {Files} from "./Files";
import {TroubleBox} from "./Trouble";
import {Waiting} from "./Waiting";
import {goOn, regenerate, send} from "./generate";
import {Markdown} from "./markdown";
import {endText} from "./words";

const COPIED_MS = 1500;

export interface Place {
    /** Which version of how many is shown, and the others. */
    at: number;
    versions: string[];
    last: boolean;
    busy: boolean;
}

function Copy({text}: {text: string}) {
    const [done, setDone] = useState(false);
    return (
        <Button icon={done ? "check" : "copy"} label={t(done ? "app.copied" : "app.copy")} onClick={() => {
            void copyText(text).then((good) => {
                if (!good) return;
                setDone(true);
                say(t("app.copied"));
                setTimeout(() => setDone(false), COPIED_MS);
            });
        }} />
    );
}

function Versions({place}: {place: Place}) {
    const {at, versions} = place;
    if (versions.length < 2) return null;
    const to = (i: number) => () => {
        const id = versions[i];
        if (id) store.choose(id);
    };
    return (
        <span class="versions" role="group" aria-label={t("message.versions")}>
            <Button icon="left" label={t("message.previous")} disabled={at === 0} onClick={to(at - 1)} />
            <span>{t("message.version", {at: at + 1, n: versions.length})}</span>
            <Button icon="right" label={t("message.next")} disabled={at === versions.length - 1} onClick={to(at + 1)} />
        </span>
    );
}

function Edit({m, done}: {m: Data; done: () => void}) {
    const area = useRef<HTMLTextAreaElement>(null);
    useLayoutEffect(() => {
        const el = area.current;
        el?.focus(); // autofocus is for a page that loads
        el?.setSelectionRange(el.value.length, el.value.length);
    }, []);
    const save = () => {
        const text = area.current?.value.trim() ?? "";
        done();
        if (text !== "" || m.files.length > 0) void send(text, {files: m.files, stored: []}, chosen.peek() || m.model, m.parent);
    };
    return (
        <div class="edit">
            <textarea ref={area} class="input" dir="auto" aria-label={t("message.edit")} rows={Math.min(12, m.text.split("\n").length + 1)}
                defaultValue={m.text}
                onKeyDown={(e) => {
                    if (e.key === "Escape") {
                        e.stopPropagation();
                        done();
                    }
                    if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) save();
                }} />
            <p class="edit-actions">
                <Button kind="plain" onClick={done}>{t("app.cancel")}</Button>
                <Button kind="primary" onClick={save}>{t("message.resend")}</Button>
            </p>
        </div>
    );
}

function Question({m, place}: {m: Data; place: Place}) {
    const [edit, setEdit] = useState(false);
    return (
        <article class="message question" aria-label={t("message.yours")} data-id={m.id}>
            <h2 class="unseen">{t("message.yours")}</h2>
            <Files files={m.files} />
            {edit ? (
                <Edit m={m} done={() => setEdit(false)} />
            ) : (
                <div class="said">
                    {m.text && <div class="bubble" dir="auto">{m.text}</div>}
                    <footer class="message-foot">
                        <Versions place={place} />
                        <Copy text={m.text} />
                        <Button icon="edit" label={t("message.edit")} disabled={place.busy} class="edit-button" onClick={() => setEdit(true)} />
                        <Button icon="trash" label={t("message.delete")} disabled={place.busy} onClick={() => store.removeMessage(m.id)} />
                    </footer>
                </div>
            )}
        </article>
    );
}

function Reasoning({m}: {m: Data}) {
    if (!m.reasoning) return null;
    const thinking = m.state === "streaming" && m.text === "" && m.calls.length === 0;
    const time = m.stats.reasoning;
    return (
        <details class="reasoning">
            <summary>
                <Icon name="brain" size={16} />
                <span class={thinking ? "shimmer" : ""}>
                    {thinking ? t("reasoning.now") : time === undefined ? t("reasoning.some") : t("reasoning.took", {time: seconds(time)})}
                </span>
                <Icon name="down" size={16} />
            </summary>
            <div class="reasoning-text" dir="auto">{m.reasoning}</div>
        </details>
    );
}

/** Arguments are JSON as the model wrote it: indented where it is whole. */
function pretty(text: string): string {
    try {
        return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
        return text;
    }
}

function Calls({calls}: {calls: ToolCall[]}) {
    return (
        <>
            {calls.filter(Boolean).map((c, i) => (
                <details class="call" key={i}>
                    <summary>
                        <Icon name="tool" size={16} />
                        <span>{t("call.title")} <code>{c.name}</code></span>
                        <Icon name="down" size={16} />
                    </summary>
                    <pre tabIndex={0}>{pretty(c.arguments)}</pre>
                </details>
            ))}
        </>
    );
}

function Figures({m}: {m: Data}) {
    const s = m.stats;
    const parts: string[] = [];
    const writing = s.total !== undefined && s.first !== undefined ? s.total - s.first : 0;
    if (s.completion && s.completion > 1 && writing > 0) parts.push(t("figures.speed", {n: number(((s.completion - 1) * 1000) / writing, 1)}));
    if (s.first !== undefined) parts.push(t("figures.first", {time: seconds(s.first)}));
    if (s.completion) {
        const n = number(s.completion);
        parts.push(s.prompt ? t("figures.tokens", {prompt: number(s.prompt), n}) : t(s.estimated ? "figures.about" : "figures.out", {n}));
    }
    return (
        <span class="figures">
            <bdi>{m.model}</bdi>
            {showStats.value && parts.map((p) => <span key={p}>{p}</span>)}
        </span>
    );
}

function Answer({m, place}: {m: Data; place: Place}) {
    const streaming = m.state === "streaming";
    const end = endText(m);
    const model = chosen.value || m.model;
    const others = () => models.value.filter((x) => x.id !== model).slice(0, 30);
    return (
        <article class="message answer" aria-label={t("message.answer")} aria-busy={streaming} data-id={m.id} data-state={m.state}>
            <h2 class="unseen">{t("message.answer")}</h2>
            <Reasoning m={m} />
            {streaming && !m.text && !m.reasoning && <Waiting id={m.id} model={m.model} />}
            <Files files={m.files} />
            {m.text && <Markdown text={m.text} streaming={streaming} />}
            <Calls calls={m.calls} />
            <TroubleBox m={m} last={place.last} />
            {end && <p class="end-note"><Icon name="info" size={16} />{end}</p>}
            {!streaming && (
                <footer class="message-foot">
                    <Versions place={place} />
                    {m.text && <Copy text={m.text} />}
                    <Button icon="retry" label={t("message.regenerate")} class="regenerate-button" disabled={place.busy} onClick={() => void regenerate(m, model)} />
                    {m.text && (m.state === "stopped" || m.finish === "length") && (
                        <Button icon="continue" label={t("message.continue")} disabled={place.busy} onClick={() => void goOn(m, model)} />
                    )}
                    <Menu label={t("message.more")} align="start" items={() => [
                        ...others().map((x) => ({label: t("message.with", {model: x.id}), icon: "retry" as const, disabled: place.busy, run: () => void regenerate(m, x.id)})),
                        ...(others().length > 0 ? (["line"] as const) : []),
                        {label: t("message.delete"), icon: "trash", danger: true, disabled: place.busy, run: () => store.removeMessage(m.id)},
                    ]} />
                    <Figures m={m} />
                </footer>
            )}
        </article>
    );
}

/** Drawn anew only when the message or its place changed, not with each token of another one. */
export function Message({m, place}: {m: Data; place: Place}) {
    return useMemo(
        () => (m.role === "user" ? <Question m={m} place={place} /> : <Answer m={m} place={place} />),
        [m, place.at, place.versions.length, place.last, place.busy],
    );
}
