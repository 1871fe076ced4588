import {useSignal} from "@preact/signals";
import {useEffect, useLayoutEffect, useRef} from "preact/hooks";
import {current} from "../conversations/store";
import type {Preset} from "../conversations/types";
import {t} from "../i18n";
import {Button} from "../ui/Button";
import {NAME_MAX, applyPreset, loadPresets, presets, removePreset, renamePreset, restorePreset, savePreset} from "./presets";

function Rename({p, done}: {p: Preset; done: (words: string) => void}) {
    const ref = useRef<HTMLInputElement>(null);
    useLayoutEffect(() => {
        ref.current?.focus();
        ref.current?.select();
    }, []);
    const save = () => {
        const name = ref.current?.value ?? "";
        if (name.trim() === "" || name.trim() === p.name) return done("");
        void renamePreset(p.id, name).then((good) => done(good ? "" : t("preset.taken")));
    };
    return (
        <input ref={ref} class="input" aria-label={t("preset.name")} defaultValue={p.name} maxLength={NAME_MAX} onBlur={save}
            onKeyDown={(e) => {
                if (e.key === "Enter") save();
                if (e.key !== "Escape") return;
                e.preventDefault(); // the dialog stays
                e.stopPropagation();
                done("");
            }} />
    );
}

function Line({p, say, use}: {p: Preset; say: (words: string, gone?: Preset) => void; use: () => void}) {
    const renaming = useSignal(false);
    if (renaming.value) {
        return (
            <li class="preset">
                <Rename p={p} done={(words) => {
                    renaming.value = false;
                    say(words);
                }} />
            </li>
        );
    }
    return (
        <li class="preset">
            <span class="preset-name">
                <bdi>{p.name}</bdi>
                {p.model && <bdi class="quiet-text">{p.model}</bdi>}
            </span>
            <Button kind="plain" label={t("preset.useNamed", {name: p.name})} onClick={use}>{t("preset.use")}</Button>
            <Button icon="edit" label={t("preset.renameNamed", {name: p.name})} onClick={() => (renaming.value = true)} />
            <Button icon="trash" label={t("preset.deleteNamed", {name: p.name})} onClick={() => {
                void removePreset(p.id);
                say(t("preset.deleted", {name: p.name}), p);
            }} />
        </li>
    );
}

/** before: what was typed is kept first. applied: the fields around have new values. */
export function Presets({before, applied}: {before: () => void; applied: () => void}) {
    const name = useSignal("");
    const words = useSignal("");
    const gone = useSignal<Preset | undefined>(undefined);
    useEffect(() => void loadPresets(), []);
    const say = (text: string, deleted?: Preset) => {
        words.value = text;
        gone.value = deleted;
    };
    const save = () => {
        before();
        const good = name.value.trim();
        const there = presets.peek().some((p) => p.name === good);
        void savePreset(good, current.peek()).then((kept) => {
            say(kept ? t(there ? "preset.replaced" : "preset.saved", {name: good}) : t("preset.failed"));
            if (kept) name.value = "";
        });
    };
    return (
        <section>
            <h3>{t("preset.title")}</h3>
            <p class="quiet-text">{t("preset.hint")}</p>
            {presets.value.length > 0 && (
                <ul class="presets" aria-label={t("preset.title")}>
                    {presets.value.map((p) => (
                        <Line key={p.id} p={p} say={say} use={() => {
                            applyPreset(p, current.peek().id);
                            say(t("preset.used", {name: p.name}));
                            applied();
                        }} />
                    ))}
                </ul>
            )}
            <form class="preset-new" onSubmit={(e) => {
                e.preventDefault();
                if (name.value.trim()) save();
            }}>
                <input class="input" aria-label={t("preset.name")} placeholder={t("preset.name")} value={name.value} maxLength={NAME_MAX}
                    onInput={(e) => (name.value = e.currentTarget.value)} />
                <Button kind="plain" type="submit" disabled={name.value.trim() === ""}>{t("preset.save")}</Button>
            </form>
            <p class="set-said" role="status">
                {words.value}
                {gone.value && (
                    <Button kind="plain" onClick={() => {
                        const p = gone.value;
                        if (p) void restorePreset(p);
                        say("");
                    }}>{t("app.undo")}</Button>
                )}
            </p>
        </section>
    );
}
