import "./palette.css";
import {batch, useSignal} from "@preact/signals";
import {useEffect, useLayoutEffect, useRef} from "preact/hooks";
import * as db from "../conversations/db";
import * as store from "../conversations/store";
import {newestLeaf, pathTo} from "../conversations/tree";
import type {Conversation, Message} from "../conversations/types";
import {t} from "../i18n";
import {Dialog} from "../ui/Dialog";
import {Icon, type IconName} from "../ui/Icon";
import {Keys} from "./Keys";
import {paletteOpen, takeTyped} from "./Palette";
import {type Command, can, commands, recentCommands, runCommand} from "./commands";
import {type Piece, best, excerpt, mark, wordsOf} from "./find";
import {go} from "./route";

const RECENT = 6;
const CHATS = 8;
const MESSAGES = 20;
const SEARCH_MS = 250;

interface Entry {
    id: string;
    icon: IconName;
    title: Piece[];
    /** A second line. */
    more?: Piece[];
    keys?: string;
    run: () => void;
}
interface Group {
    title: string;
    entries: Entry[];
}

const titleOf = (c: Conversation | undefined): string => c?.title || t("palette.untitled");

function commandEntry(c: Command, words: readonly string[]): Entry {
    return {
        id: `command-${c.id}`, icon: c.icon, title: mark(t(c.label), words), ...(c.keys ? {keys: c.keys} : {}),
        // When the dialog has closed and given the focus back.
        run: () => void setTimeout(() => runCommand(c)),
    };
}

const chatEntry = (c: Conversation, words: readonly string[]): Entry => ({
    id: `chat-${c.id}`, icon: c.pinned ? "pin" : "chat", title: mark(titleOf(c), words), run: () => go(c.id),
});

/** Opens the conversation on the branch on which the message is, and shows it. */
async function showMessage(m: Message): Promise<void> {
    const all = new Map((await db.messagesOf(m.conversation)).map((x) => [x.id, x]));
    const leaf = store.list.peek().find((c) => c.id === m.conversation)?.leaf ?? "";
    if (!pathTo(all, leaf).some((x) => x.id === m.id)) store.change(m.conversation, {leaf: newestLeaf(all, m.id)});
    go(m.conversation);
    const find = (tries: number) => {
        const el = document.querySelector(`[data-id="${CSS.escape(m.id)}"]`);
        if (el) el.scrollIntoView({block: "start"});
        else if (tries > 0) setTimeout(() => find(tries - 1), 50);
    };
    setTimeout(() => find(20), 50);
}

function messageEntry(m: Message, chats: ReadonlyMap<string, Conversation>, words: readonly string[]): Entry {
    return {
        id: `message-${m.id}`, icon: "search", title: [{text: titleOf(chats.get(m.conversation)), hit: false}],
        more: excerpt(m.text, words), run: () => void showMessage(m),
    };
}

function Text({pieces}: {pieces: Piece[]}) {
    return <bdi>{pieces.map((p, i) => (p.hit ? <mark key={i}>{p.text}</mark> : p.text))}</bdi>;
}

function useFound(text: string): {found: Message[]; searching: boolean} {
    const found = useSignal<Message[]>([]);
    const searching = useSignal(false);
    useEffect(() => {
        const words = wordsOf(text);
        if (words.join("").length < 2) {
            batch(() => {
                found.value = [];
                searching.value = false;
            });
            return;
        }
        let old = false;
        searching.value = true;
        const timer = setTimeout(() => {
            db.findMessages(words, 3 * MESSAGES).catch(() => []).then((all) => {
                if (old) return;
                batch(() => {
                    found.value = all;
                    searching.value = false;
                });
            }, () => undefined);
        }, SEARCH_MS);
        return () => {
            old = true;
            clearTimeout(timer);
        };
    }, [text]);
    return {found: found.value, searching: searching.value};
}

function groupsFor(text: string, found: Message[]): Group[] {
    const words = wordsOf(text);
    const offered = commands.filter((c) => c.id !== "search" && can(c));
    const chats = store.list.value;
    let groups: Group[];
    if (words.length === 0) {
        const age = (c: Command) => (recentCommands.value.indexOf(c.id) + 1 || 99);
        const recent = chats.filter((c) => c.id !== store.currentId.value).sort((a, b) => b.updated - a.updated).slice(0, RECENT);
        groups = [
            {title: t("palette.recent"), entries: recent.map((c) => chatEntry(c, words))},
            {title: t("palette.commands"), entries: [...offered].sort((a, b) => age(a) - age(b)).map((c) => commandEntry(c, words))},
        ];
    } else {
        const byId = new Map(chats.map((c) => [c.id, c]));
        groups = [
            {title: t("palette.commands"), entries: best(offered, (c) => t(c.label), words, 5).map((c) => commandEntry(c, words))},
            {title: t("palette.chats"), entries: best(chats, titleOf, words, CHATS).map((c) => chatEntry(c, words))},
            {title: t("palette.messages"), entries: found.filter((m) => byId.has(m.conversation)).slice(0, MESSAGES).map((m) => messageEntry(m, byId, words))},
        ];
    }
    return groups.filter((g) => g.entries.length > 0);
}

export function PaletteDialog() {
    const text = useSignal("");
    const at = useSignal(0);
    const list = useRef<HTMLDivElement>(null);
    useEffect(() => void (text.value = takeTyped()), []);
    const {found, searching} = useFound(text.value);
    const groups = groupsFor(text.value, found);
    const entries = groups.flatMap((g) => g.entries);
    const active = entries[Math.min(at.value, entries.length - 1)];
    const close = () => (paletteOpen.value = false);
    const pick = (e: Entry | undefined) => {
        if (!e) return;
        close();
        e.run();
    };
    useLayoutEffect(() => {
        list.current?.querySelector("[aria-selected=true]")?.scrollIntoView({block: "nearest"});
    }, [active?.id]);
    const key = (e: KeyboardEvent) => {
        if (e.isComposing) return;
        const n = entries.length;
        const here = Math.min(at.peek(), n - 1);
        if (e.key === "ArrowDown") at.value = (here + 1) % Math.max(1, n);
        else if (e.key === "ArrowUp") at.value = (here - 1 + n) % Math.max(1, n);
        else if (e.key === "PageDown") at.value = Math.min(n - 1, here + 8);
        else if (e.key === "PageUp") at.value = Math.max(0, here - 8);
        else if (e.key === "Enter") pick(active);
        else return;
        e.preventDefault();
    };
    const nothing = text.value.trim() !== "" && entries.length === 0 && !searching;
    return (
        <Dialog title={t("palette.title")} bare wide onClose={close}>
            <div class="palette">
                <div class="palette-top">
                    <Icon name="search" />
                    <input
                        class="palette-input"
                        role="combobox"
                        aria-expanded={entries.length > 0}
                        aria-controls="palette-list"
                        aria-autocomplete="list"
                        aria-activedescendant={active?.id}
                        aria-label={t("palette.title")}
                        placeholder={t("palette.placeholder")}
                        autocomplete="off"
                        spellcheck={false}
                        dir="auto"
                        maxLength={200}
                        value={text.value}
                        onInput={(e) => {
                            text.value = e.currentTarget.value;
                            at.value = 0;
                        }}
                        onKeyDown={key}
                    />
                </div>
                <div class="palette-list" id="palette-list" role="listbox" aria-label={t("palette.title")} ref={list}>
                    {groups.map((g, i) => (
                        <div role="group" aria-labelledby={`palette-group-${i}`} key={g.title}>
                            <div class="palette-group" id={`palette-group-${i}`} role="presentation">{g.title}</div>
                            {g.entries.map((e) => (
                                <div class="palette-entry" role="option" id={e.id} key={e.id} aria-selected={e === active} onClick={() => pick(e)}
                                    onPointerMove={() => (at.value = entries.indexOf(e))}>
                                    <Icon name={e.icon} size={18} />
                                    <span class="palette-words">
                                        <Text pieces={e.title} />
                                        {e.more && <small><Text pieces={e.more} /></small>}
                                    </span>
                                    {e.keys && <Keys chord={e.keys} />}
                                </div>
                            ))}
                        </div>
                    ))}
                </div>
                <p class="palette-note" role="status">
                    {nothing ? t("palette.none", {text: text.value.trim().slice(0, 60)}) : searching ? t("palette.searching") : (
                        <span class="unseen">{text.value.trim() && t("palette.count", {n: entries.length})}</span>
                    )}
                </p>
            </div>
        </Dialog>
    );
}
