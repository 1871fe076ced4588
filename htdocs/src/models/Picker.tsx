import {signal, useSignal} from "@preact/signals";
import {useEffect, useId, useLayoutEffect, useRef} from "preact/hooks";
import type {Model} from "../api/models";
import {number, t} from "../i18n";
import type {Key} from "../i18n/en";
import {Icon} from "../ui/Icon";
import {Facts} from "./Facts";
import {Name} from "./Name";
import {find, place, plain, typedTo} from "./list";
import {away, choose, chosen, models, state, watch} from "./store";
import "./picker.css";

/** With so many models the list can be searched. */
const SEARCH_FROM = 9;
const TYPED_MS = 700;

/** Signal, so that a shortcut can open it. */
export const pickerOpen = signal(false);

/** Why there is nothing to choose. */
export function whyNone(s: typeof state.value): Key {
    if (s === "loading" || s === "signin" || s === "forbidden" || s === "offline") return `models.none.${s}`;
    if (s === "timeout") return "models.none.offline";
    return s === "ready" ? "models.none.empty" : "models.none.failed";
}

/** The model's name in the top bar, and the list behind it. */
export function Picker() {
    const root = useRef<HTMLDivElement>(null);
    const open = pickerOpen.value;
    const id = chosen.value;

    useEffect(() => {
        if (!open) return;
        const end = watch();
        const outside = (e: Event) => {
            if (root.current && e.target instanceof Node && !root.current.contains(e.target)) pickerOpen.value = false;
        };
        document.addEventListener("pointerdown", outside);
        document.addEventListener("focusin", outside);
        return () => {
            end();
            document.removeEventListener("pointerdown", outside);
            document.removeEventListener("focusin", outside);
        };
    }, [open]);
    useLayoutEffect(() => () => void (pickerOpen.value = false), []);

    const close = () => {
        pickerOpen.value = false;
        root.current?.querySelector<HTMLButtonElement>(":scope > button")?.focus();
    };
    const none = state.value === "loading" ? t("app.loading") : t("models.none");
    const label = `${t("models.button", {name: plain(id) || none})}${away.value ? `, ${t("models.away")}` : ""}`;
    return (
        <div class="picker" ref={root}>
            <button
                type="button"
                class={`button button-quiet picker-button${away.value ? " is-away" : ""}`}
                aria-haspopup="dialog"
                aria-expanded={open}
                aria-label={label}
                title={plain(id) || undefined}
                onClick={() => (pickerOpen.value = !open)}
                onKeyDown={(e) => {
                    if (open || (e.key !== "ArrowDown" && e.key !== "ArrowUp")) return;
                    e.preventDefault();
                    pickerOpen.value = true;
                }}
            >
                {away.value && <Icon name="warning" size={16} />}
                {id === "" ? <span>{none}</span> : <Name id={id} short />}
                <Icon name="down" size={16} />
            </button>
            {open && <List close={close} />}
        </div>
    );
}

function List({close}: {close: () => void}) {
    const name = useId();
    const words = useSignal("");
    const active = useSignal(chosen.peek());
    const typed = useRef({text: "", at: 0});
    const box = useRef<HTMLDivElement>(null);
    const all = models.value;
    const searched = all.length >= SEARCH_FROM;
    const shown = find(all, searched ? words.value : "");
    const at = Math.max(0, shown.findIndex((m) => m.id === active.value));
    const now = shown[at];
    const optionId = (i: number) => `${name}-${i}`;

    useLayoutEffect(() => {
        box.current?.querySelector<HTMLElement>("input, [role=listbox], .picker-none")?.focus();
    }, [searched, all.length === 0]);
    useLayoutEffect(() => {
        box.current?.querySelector(".picker-option.is-active")?.scrollIntoView?.({block: "nearest"});
    }, [now?.id]);

    const take = (m: Model | undefined) => {
        if (!m) return;
        choose(m.id);
        close();
    };
    const key = (e: KeyboardEvent) => {
        if (e.isComposing || e.ctrlKey || e.metaKey || e.altKey) return;
        const to = place(e.key, at, shown.length);
        if (to !== undefined) {
            e.preventDefault();
            active.value = shown[to]?.id ?? "";
        } else if (e.key === "Escape") {
            e.preventDefault();
            e.stopPropagation();
            close();
        } else if (e.key === "Enter" || (e.key === " " && !searched)) {
            e.preventDefault();
            take(now);
        } else if (!searched && e.key.length === 1) {
            const t0 = typed.current;
            t0.text = e.timeStamp - t0.at < TYPED_MS ? t0.text + e.key : e.key;
            t0.at = e.timeStamp;
            const found = typedTo(shown, t0.text, at);
            if (found >= 0) active.value = shown[found]?.id ?? "";
        }
    };

    const gone = away.value ? chosen.value : "";
    return (
        <div class="picker-box" ref={box} role="dialog" aria-label={t("models.choose")} onKeyDown={key}>
            {gone && (
                <div class="picker-gone">
                    <Icon name="warning" size={18} />
                    <p>
                        <Name id={gone} />
                        <span>{t("models.away")}. {t("models.awayWhy")}</span>
                    </p>
                </div>
            )}
            {searched && (
                <div class="picker-search">
                    <Icon name="search" size={18} />
                    <input
                        class="input"
                        type="text"
                        role="combobox"
                        aria-label={t("models.search")}
                        placeholder={t("models.search")}
                        aria-expanded="true"
                        aria-controls={`${name}-list`}
                        aria-autocomplete="list"
                        aria-activedescendant={now && optionId(at)}
                        autocomplete="off"
                        spellcheck={false}
                        value={words.value}
                        onInput={(e) => {
                            words.value = e.currentTarget.value;
                            active.value = "";
                        }}
                    />
                </div>
            )}
            {all.length === 0 ? (
                <div class="picker-none" tabIndex={-1}>
                    <strong>{t("models.none.title")}</strong>
                    <p>{t(whyNone(state.value))}</p>
                </div>
            ) : (
                <ul
                    id={`${name}-list`}
                    class="picker-list"
                    role="listbox"
                    aria-label={t("models.label")}
                    tabIndex={searched ? -1 : 0}
                    aria-activedescendant={!searched && now ? optionId(at) : undefined}
                >
                    {shown.map((m, i) => (
                        <li
                            key={m.id}
                            id={optionId(i)}
                            role="option"
                            aria-selected={m.id === chosen.value}
                            class={`picker-option${i === at ? " is-active" : ""}`}
                            onPointerMove={() => (active.value = m.id)}
                            onClick={() => take(m)}
                        >
                            <span class="picker-what">
                                <Name id={m.id} />
                                <Facts model={m} />
                            </span>
                            {m.id === chosen.value && <Icon name="check" size={18} />}
                        </li>
                    ))}
                </ul>
            )}
            {searched && (
                <p class={shown.length === 0 ? "picker-no-match" : "unseen"} role="status">
                    {shown.length === 0
                        ? t("models.nothing", {words: words.value})
                        : words.value && (shown.length === 1 ? t("models.found1") : t("models.found", {n: number(shown.length)}))}
                </p>
            )}
            {all.length > 0 && state.value !== "ready" && state.value !== "loading" && <p class="picker-old">{t("models.old")}</p>}
        </div>
    );
}

