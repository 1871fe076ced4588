import {computed, signal} from "@preact/signals";
import {useLayoutEffect, useRef, useState} from "preact/hooks";
import {go, show, view} from "../app/route";
import {config} from "../api/config";
import {running} from "../chat/generate";
import {t} from "../i18n";
import {settingsOpen} from "../settings/Settings";
import {Button} from "../ui/Button";
import {Icon} from "../ui/Icon";
import {Menu} from "../ui/Menu";
import {paletteOpen} from "../app/Palette";
import {exportOne, shareOne} from "./export";
import {leaveList, listShown, showList} from "./shown";
import * as store from "./store";
import {grouped} from "./dates";
import type {Conversation} from "./types";

/** More than this are shown when asked for: a long list would make each key press slow. */
const SHOWN = 200;
const FOLDER_MAX = 60;
const shown = signal(SHOWN);
const folder = signal("");
const inFolder = computed(() => store.list.value.filter((c) => folder.value === "" || c.folder === folder.value));

/** One word, edited in its place: Enter or leaving keeps it, Esc does not. */
function Field({label, value, list, save, done}: {label: string; value: string; list?: string; save: (v: string) => void; done: () => void}) {
    const ref = useRef<HTMLInputElement>(null);
    const over = useRef(false);
    // Before the next key: a selection made later would have what was typed by then replaced.
    useLayoutEffect(() => {
        ref.current?.focus();
        ref.current?.select();
    }, []);
    const end = (keep: boolean) => {
        if (over.current) return; // taking the field away makes it lose the focus, too
        over.current = true;
        if (keep) save(ref.current?.value.trim() ?? "");
        done();
    };
    return (
        <input
            ref={ref}
            class="input"
            list={list}
            aria-label={label}
            placeholder={label}
            defaultValue={value}
            maxLength={200}
            onBlur={() => end(true)}
            onKeyDown={(e) => {
                e.stopPropagation();
                if (e.key === "Enter" && !e.isComposing) end(true);
                if (e.key === "Escape") end(false);
            }}
        />
    );
}

function Folder({c, done}: {c: Conversation; done: () => void}) {
    return (
        <>
            <Field label={t("list.folder")} value={c.folder} list="folders" done={done}
                save={(name) => store.change(c.id, {folder: name.slice(0, FOLDER_MAX)})} />
            <datalist id="folders">
                {store.folders.value.map((f) => (
                    <option key={f} value={f} />
                ))}
            </datalist>
        </>
    );
}

function Row({c, busy}: {c: Conversation; busy: boolean}) {
    const [edit, setEdit] = useState<"" | "name" | "folder">("");
    const here = store.currentId.value === c.id && view.value === "chat";
    const title = c.title || t("list.untitled");
    if (edit) {
        const done = () => setEdit("");
        return (
            <li class="row row-edit">
                {edit === "name" ? (
                    <Field label={t("list.rename")} value={c.title} save={(name) => store.rename(c.id, name)} done={done} />
                ) : (
                    <Folder c={c} done={done} />
                )}
            </li>
        );
    }
    return (
        <li class={`row${here ? " row-here" : ""}`}>
            <a href={`#/c/${encodeURIComponent(c.id)}`} aria-current={here ? "page" : undefined} title={title}
                onClick={(e) => {
                    if (e.ctrlKey || e.metaKey || e.shiftKey) return;
                    e.preventDefault();
                    go(c.id);
                    leaveList();
                }}>
                {c.pinned && <Icon name="pin" size={14} />}
                <bdi class="row-title">{title}</bdi>
                {busy && <span class="row-busy" role="img" aria-label={t("list.busy")} />}
            </a>
            <Menu
                label={t("list.actions", {title})}
                items={() => [
                    {label: t("list.rename"), icon: "edit", run: () => setEdit("name")},
                    {label: t(c.pinned ? "list.unpin" : "list.pin"), icon: "pin", run: () => store.change(c.id, {pinned: !c.pinned})},
                    {label: t("list.folder"), icon: "folder", run: () => setEdit("folder")},
                    {label: t("list.share"), icon: "share", run: () => void shareOne(c.id)},
                    {label: t("list.export"), icon: "download", run: () => void exportOne(c.id)},
                    "line",
                    {label: t("app.delete"), icon: "trash", danger: true, run: () => store.remove(c.id)},
                ]}
            />
        </li>
    );
}

export function Sidebar() {
    const busy = new Set([...running.value.values()].map((r) => r.conversation));
    const all = inFolder.value;
    const c = config.value;
    return (
        <aside class="sidebar" aria-label={t("list.label")} hidden={!listShown.value}>
            <header class="sidebar-head">
                <span class="brand">
                    <img src={c.logo ?? "./icon.svg"} alt="" width={26} height={26} />
                    <bdi>{c.title ?? t("app.title")}</bdi>
                </span>
                <Button icon="sidebar" label={t("list.hide")} onClick={() => showList(false)} />
            </header>
            <div class="sidebar-actions">
                <Button icon="plus" onClick={() => {
                    go("");
                    leaveList();
                }}>{t("app.new")}</Button>
                <Button icon="search" onClick={() => (paletteOpen.value = true)}>{t("list.search")}</Button>
                <Button icon="fleet" aria-current={view.value === "fleet" ? "page" : undefined} onClick={() => {
                    show("fleet");
                    leaveList();
                }}>{t("list.fleet")}</Button>
            </div>
            {store.folders.value.length > 0 && (
                <div class="folders" role="group" aria-label={t("list.folders")}>
                    {["", ...store.folders.value].map((f) => (
                        <button key={f} type="button" class="folder" aria-pressed={folder.value === f} onClick={() => (folder.value = f)}>
                            <bdi>{f || t("list.all")}</bdi>
                        </button>
                    ))}
                </div>
            )}
            <nav class="list" aria-label={t("list.label")}>
                {store.ready.value && all.length === 0 && <p class="quiet-text list-empty">{t("list.empty")}</p>}
                {grouped(all.slice(0, shown.value)).map(([age, cs]) => (
                    <section key={age}>
                        <h2>{t(age)}</h2>
                        <ul>
                            {cs.map((x) => (
                                <Row key={x.id} c={x} busy={busy.has(x.id)} />
                            ))}
                        </ul>
                    </section>
                ))}
                {all.length > shown.value && <Button onClick={() => (shown.value += SHOWN)}>{t("list.more")}</Button>}
            </nav>
            <footer class="sidebar-foot">
                {c.links?.map((l) => (
                    <a key={l.url} href={l.url} target="_blank" rel="noopener noreferrer">
                        {l.label}
                    </a>
                ))}
                <Button icon="settings" onClick={() => (settingsOpen.value = true)}>{t("list.settings")}</Button>
            </footer>
        </aside>
    );
}
