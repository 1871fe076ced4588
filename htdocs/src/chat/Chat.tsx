import {useSignal} from "@preact/signals";
import {useEffect, useLayoutEffect, useRef} from "preact/hooks";
import {config} from "../api/config";
import * as store from "../conversations/store";
import type {Message as Data} from "../conversations/types";
import {t} from "../i18n";
import {Button} from "../ui/Button";
import {Composer, answering, attach} from "./Composer";
import {Message} from "./Message";

/** This far from the end the view still follows it. */
const NEAR = 80;

function versionsOf(all: Iterable<Data>): Map<string, string[]> {
    const groups = new Map<string, Data[]>();
    for (const m of all) {
        const key = `${m.role} ${m.parent}`;
        const group = groups.get(key);
        if (group) group.push(m);
        else groups.set(key, [m]);
    }
    const out = new Map<string, string[]>();
    for (const [key, group] of groups) out.set(key, group.sort((a, b) => a.created - b.created || (a.id < b.id ? -1 : 1)).map((m) => m.id));
    return out;
}

function Empty() {
    const c = config.value;
    return (
        <div class="empty">
            <img src={c.logo ?? "./icon.svg"} alt="" width={56} height={56} />
            <h2>{t("chat.hello")}</h2>
            <p class="quiet-text">{t("chat.private")}</p>
        </div>
    );
}

function Messages({id}: {id: string}) {
    const path = store.path.value;
    const versions = versionsOf(store.messages.value.values());
    const busy = answering(id) !== undefined;
    return (
        <>
            {path.map((m, i) => {
                const mine = versions.get(`${m.role} ${m.parent}`) ?? [m.id];
                return <Message key={m.id} m={m} place={{at: mine.indexOf(m.id), versions: mine, last: i === path.length - 1, busy}} />;
            })}
        </>
    );
}

export function Chat() {
    const c = store.current.value;
    const scroller = useRef<HTMLDivElement>(null);
    const content = useRef<HTMLDivElement>(null);
    const follow = useRef(true);
    const away = useSignal(false);
    const over = useSignal(false);
    const blank = store.messages.value.size === 0;

    const toEnd = () => {
        const el = scroller.current;
        if (el) el.scrollTop = el.scrollHeight;
    };
    useLayoutEffect(() => {
        follow.current = true;
        away.value = false;
        toEnd();
    }, [c.id]);
    // A question of one's own is looked at.
    useLayoutEffect(() => {
        follow.current = true;
        toEnd();
    }, [store.messages.value.size]);
    useEffect(() => {
        if (!content.current) return;
        const seen = new ResizeObserver(() => {
            if (follow.current) toEnd();
        });
        seen.observe(content.current);
        return () => seen.disconnect();
    }, []);

    return (
        <div
            class={`chat${blank ? " chat-empty" : ""}${over.value ? " chat-over" : ""}`}
            onDragOver={(e) => {
                if (!e.dataTransfer?.types.includes("Files")) return;
                e.preventDefault();
                over.value = true;
            }}
            onDragLeave={(e) => {
                if (e.target === e.currentTarget) over.value = false;
            }}
            onDrop={(e) => {
                over.value = false;
                if (!e.dataTransfer?.files.length) return;
                e.preventDefault();
                void attach([...e.dataTransfer.files]);
            }}
        >
            <div
                class="scroller"
                ref={scroller}
                tabIndex={0}
                role="log"
                aria-live="off"
                aria-label={t("chat.log")}
                onScroll={(e) => {
                    const el = e.currentTarget;
                    const gap = el.scrollHeight - el.scrollTop - el.clientHeight;
                    follow.current = gap < NEAR;
                    away.value = gap > 3 * NEAR;
                }}
                onWheel={(e) => {
                    if (e.deltaY < 0) follow.current = false;
                }}
            >
                <div class="column" ref={content}>
                    {store.missing.value ? (
                        <div class="empty">
                            <h2>{t("chat.missing")}</h2>
                            <Button kind="plain" icon="plus" onClick={() => store.open("")}>{t("app.new")}</Button>
                        </div>
                    ) : blank ? (
                        store.currentId.value === "" && <Empty />
                    ) : (
                        <Messages id={c.id} />
                    )}
                </div>
            </div>
            <div class="dock">
                {away.value && (
                    <Button icon="down" kind="plain" class="to-end" label={t("chat.end")} onClick={() => {
                        follow.current = true;
                        scroller.current?.scrollTo({top: scroller.current.scrollHeight, behavior: "smooth"});
                    }} />
                )}
                <Composer />
                <p class="small-print">{t("chat.small-print")}</p>
            </div>
            {over.value && <div class="drop" aria-hidden="true">{t("attach.drop")}</div>}
        </div>
    );
}
