import type {ComponentChildren} from "preact";
import {useEffect, useLayoutEffect, useRef, useState} from "preact/hooks";
import {Button} from "./Button";
import {Icon, type IconName} from "./Icon";

export type Item = {label: string; icon?: IconName; danger?: boolean; checked?: boolean; disabled?: boolean; run: () => void} | "line";

type Props = {
    label: string;
    icon?: IconName;
    /** Made when the menu opens. */
    items: () => Item[];
    children?: ComponentChildren;
    align?: "start" | "end";
    class?: string;
};

const GAP = 4;
const EDGE = 8;

/** Above everything, where the button is: whatever scrolls or contains the button would cut the list off. Up where there is more room. */
function place(list: HTMLElement, button: DOMRect, align: "start" | "end"): void {
    list.style.maxHeight = "";
    const below = innerHeight - button.bottom - GAP - EDGE;
    const above = button.top - GAP - EDGE;
    const up = list.offsetHeight > below && above > below;
    list.style.maxHeight = `${Math.min(innerHeight * 0.6, up ? above : below)}px`;
    list.style.top = `${up ? button.top - GAP - list.offsetHeight : button.bottom + GAP}px`;
    const toLeft = (align === "end") === (getComputedStyle(list).direction === "ltr");
    const left = toLeft ? button.right - list.offsetWidth : button.left;
    list.style.left = `${Math.max(EDGE, Math.min(left, innerWidth - list.offsetWidth - EDGE))}px`;
}

/** A button that opens a list of commands. Arrows, Home, End, letters, Esc, as menus have them (WAI-ARIA menu button). */
export function Menu({label, icon = "more", items, children, align = "end", class: more}: Props) {
    const [open, setOpen] = useState(false);
    const root = useRef<HTMLDivElement>(null);
    const entries = () => [...(root.current?.querySelectorAll<HTMLButtonElement>(".menu-item:not(:disabled)") ?? [])];

    useLayoutEffect(() => {
        const list = root.current?.querySelector<HTMLElement>(".menu-list");
        // Without popovers it stays below its button.
        if (!list || !("showPopover" in list)) return;
        list.showPopover();
        const follow = () => root.current && place(list, root.current.getBoundingClientRect(), align);
        const scrolled = (e: Event) => {
            if (e.target instanceof Node && e.target.contains(root.current)) follow();
        };
        follow();
        document.addEventListener("scroll", scrolled, true);
        addEventListener("resize", follow);
        return () => {
            document.removeEventListener("scroll", scrolled, true);
            removeEventListener("resize", follow);
        };
    }, [open]);
    useEffect(() => {
        if (!open) return;
        entries()[0]?.focus();
        const away = (e: Event) => {
            if (e.target instanceof Node && !root.current?.contains(e.target)) setOpen(false);
        };
        document.addEventListener("pointerdown", away);
        document.addEventListener("focusin", away);
        return () => {
            document.removeEventListener("pointerdown", away);
            document.removeEventListener("focusin", away);
        };
    }, [open]);

    const close = () => {
        setOpen(false);
        root.current?.querySelector<HTMLButtonElement>(":scope > button")?.focus();
    };
    const key = (e: KeyboardEvent) => {
        if (!open) return;
        const all = entries();
        const at = all.indexOf(document.activeElement as HTMLButtonElement);
        const to: Record<string, number> = {ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: all.length - 1};
        const next = to[e.key];
        if (next !== undefined) {
            e.preventDefault();
            all[(next + all.length) % all.length]?.focus();
        } else if (e.key === "Escape") {
            e.preventDefault();
            e.stopPropagation();
            close();
        } else if (e.key.length === 1 && !e.ctrlKey && !e.metaKey) {
            const letter = e.key.toLowerCase();
            [...all.slice(at + 1), ...all].find((b) => b.textContent?.trim().toLowerCase().startsWith(letter))?.focus();
        }
    };
    return (
        <div class="menu" ref={root} onKeyDown={key}>
            <Button icon={icon} {...(children === undefined ? {label} : {})} aria-haspopup="menu" aria-expanded={open} class={more ?? ""}
                onClick={() => setOpen(!open)}>
                {children}
            </Button>
            {open && (
                <div class={`menu-list menu-${align}`} popover="manual" role="menu" aria-label={label}>
                    {items().map((item, i) =>
                        item === "line" ? (
                            <hr key={i} />
                        ) : (
                            <button
                                key={i}
                                type="button"
                                role={item.checked === undefined ? "menuitem" : "menuitemcheckbox"}
                                aria-checked={item.checked}
                                class={`menu-item${item.danger ? " danger" : ""}`}
                                disabled={item.disabled}
                                tabIndex={-1}
                                onClick={() => {
                                    close();
                                    item.run();
                                }}
                            >
                                {item.icon && <Icon name={item.icon} size={18} />}
                                <span>{item.label}</span>
                                {item.checked && <Icon name="check" size={16} />}
                            </button>
                        ),
                    )}
                </div>
            )}
        </div>
    );
}
