import {signal, useSignal} from "@preact/signals";
import {useEffect, useLayoutEffect, useRef} from "preact/hooks";
import * as store from "../conversations/store";
import {t} from "../i18n";
import {chosen, modelOf} from "../models/store";
import {enterSends} from "../settings/prefs";
import {panelOpen} from "../settings/Panel";
import {Button} from "../ui/Button";
import {Icon} from "../ui/Icon";
import {toast} from "../ui/toasts";
import {type Refusal, type Taken, stored, takeFile} from "./attachments";
import {Meter} from "./Meter";
import {draftOf, keepDraft, leaveDraft} from "./draft";
import {editLast} from "./editLast";
import {running, send, stop} from "./generate";

const DRAFT_MS = 300;
const FILES_MAX = 20;

/** The message box, for whoever wants to put the cursor there. */
export const box = signal<HTMLTextAreaElement | null>(null);
/** Files for the next question; they are not kept through a reload, which the browser may ask about. */
export const attached = signal<Taken[]>([]);

export async function attach(files: File[]): Promise<void> {
    for (const f of files) {
        if (attached.peek().length >= FILES_MAX) {
            toast(t("attach.many", {n: FILES_MAX}));
            return;
        }
        const got = await takeFile(f);
        if (typeof got === "string") toast(t(`attach.${got satisfies Refusal}`, {name: f.name}));
        else attached.value = [...attached.peek(), got];
    }
}

/** The picture of an attachment that is not stored yet. */
function Thumb({taken}: {taken: Taken}) {
    const ref = useRef<HTMLImageElement>(null);
    useEffect(() => {
        const url = URL.createObjectURL(taken.blob);
        if (ref.current) ref.current.src = url;
        return () => URL.revokeObjectURL(url);
    }, [taken]);
    return <img ref={ref} alt="" width={44} height={44} />;
}

function Chips() {
    return (
        <ul class="chips" aria-label={t("attach.label")}>
            {attached.value.map((x) => (
                <li class="chip" key={x.file.id}>
                    {x.file.kind === "image" ? <Thumb taken={x} /> : <Icon name="file" />}
                    <bdi>{x.file.name}</bdi>
                    <Button icon="close" label={t("attach.remove", {name: x.file.name})}
                        onClick={() => (attached.value = attached.value.filter((y) => y !== x))} />
                </li>
            ))}
        </ul>
    );
}

/** Can the model see images? Where nothing is told of it, perhaps. */
function sees(model: string): boolean {
    const can = modelOf(model)?.can ?? [];
    return can.length === 0 || can.includes("vision");
}

/** The answer that is being written in this conversation, if there is one. */
export const answering = (conversation: string): string | undefined =>
    [...running.value].find(([, r]) => r.conversation === conversation)?.[0];

export function Composer() {
    const id = store.current.value.id;
    const area = useRef<HTMLTextAreaElement>(null);
    const chooser = useRef<HTMLInputElement>(null);
    const empty = useSignal(true);
    const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
    /** Typed before it was known which conversation is open. */
    const early = useRef("");
    const writing = answering(id);
    const model = chosen.value;
    const blind = attached.value.some((x) => x.file.kind === "image") && !sees(model);

    const grow = () => {
        const el = area.current;
        if (!el) return;
        el.style.height = "auto";
        el.style.height = `${Math.min(el.scrollHeight, innerHeight * 0.4)}px`;
    };
    const flush = () => {
        clearTimeout(timer.current);
        if (area.current && store.ready.peek()) keepDraft(id, area.current.value);
    };
    // Before the next key: what is typed at once after "new chat" is the new one's.
    useLayoutEffect(() => {
        const el = area.current;
        if (!el) return;
        const known = store.ready.peek();
        box.value = el;
        el.value = early.current || (known || store.currentId.peek() === "" ? draftOf(id) : "");
        early.current = "";
        empty.value = el.value.trim() === "";
        grow();
        if (matchMedia("(hover: hover)").matches) el.focus();
        const going = () => leaveDraft(id, el.value);
        addEventListener("pagehide", going);
        return () => {
            removeEventListener("pagehide", going);
            if (known) return flush();
            clearTimeout(timer.current);
            early.current = el.value;
        };
    }, [id]);

    const submit = () => {
        const text = area.current?.value.trim() ?? "";
        if (writing || !model || (text === "" && attached.value.length === 0)) return;
        const files = stored(attached.value);
        attached.value = [];
        clearTimeout(timer.current);
        keepDraft(id, "");
        if (area.current) area.current.value = "";
        empty.value = true;
        grow();
        void send(text, files, model);
    };
    return (
        <form class="composer" onSubmit={(e) => {
            e.preventDefault();
            submit();
        }}>
            {attached.value.length > 0 && <Chips />}
            {blind && <p class="composer-note" role="status">{t("attach.blind", {model})}</p>}
            <textarea
                ref={area}
                id="box"
                rows={1}
                dir="auto"
                placeholder={t("composer.placeholder")}
                aria-label={t("composer.label")}
                enterkeyhint={enterSends.value ? "send" : "enter"}
                onInput={() => {
                    empty.value = area.current?.value.trim() === "";
                    grow();
                    clearTimeout(timer.current);
                    timer.current = setTimeout(flush, DRAFT_MS);
                }}
                onKeyDown={(e) => {
                    // As in chat programs: the arrow goes back to what was said last.
                    const bare = !e.altKey && !e.ctrlKey && !e.metaKey && !e.shiftKey;
                    if (e.key === "ArrowUp" && bare && area.current?.value === "" && editLast()) return e.preventDefault();
                    if (e.key !== "Enter" || e.isComposing || e.altKey) return;
                    const sends = e.ctrlKey || e.metaKey || (enterSends.value && !e.shiftKey);
                    if (!sends) return;
                    e.preventDefault();
                    submit();
                }}
                onPaste={(e) => {
                    const files = [...(e.clipboardData?.files ?? [])];
                    if (files.length === 0) return;
                    e.preventDefault();
                    void attach(files);
                }}
            />
            <div class="composer-row">
                <input ref={chooser} type="file" multiple hidden onChange={() => {
                    void attach([...(chooser.current?.files ?? [])]); // the list itself is emptied below
                    if (chooser.current) chooser.current.value = "";
                }} />
                <Button icon="clip" label={t("attach.add")} onClick={() => chooser.current?.click()} />
                <Button icon="settings" label={t("panel.open")} onClick={() => (panelOpen.value = true)} />
                <Meter />
                {writing ? (
                    <Button icon="stop" kind="primary" class="send" label={t("composer.stop")} onClick={() => stop(writing)} />
                ) : (
                    <Button icon="send" kind="primary" class="send" type="submit" label={t("composer.send")}
                        disabled={!model || (empty.value && attached.value.length === 0)} />
                )}
            </div>
        </form>
    );
}
