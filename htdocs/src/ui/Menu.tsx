import type {ComponentChildren} from "preact";
import {useEffect, useRef, useState} from "preact/hooks";
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

/** A button that opens a list of commands. Arrows, Home, End, letters, Esc, as menus have them (WAI-ARIA menu button). */
export function Menu({label, icon = "more", items, children, align = "end", class: more}: Props) {
    const [open, setOpen] = useState(false);
    const root = useRef<HTMLDivElement>(null);
    const entries = () => [...(root.current?.querySelectorAll<HTMLButtonElement>(".menu-item:not(:disabled)") ?? [])];

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
                <div class={`menu-list menu-${align}`} role="menu" aria-label={label}>
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
