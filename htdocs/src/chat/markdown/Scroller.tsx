import type {ComponentChildren} from "preact";
import {useEffect, useRef, useState} from "preact/hooks";

/** Scrolls sideways, with the arrow keys too; it is a stop of the Tab key only while there is something to scroll. */
export function Scroller({label, class: name, children}: {label: string; class: string; children: ComponentChildren}) {
    const ref = useRef<HTMLDivElement>(null);
    const [wide, setWide] = useState(false);
    useEffect(() => {
        const el = ref.current;
        if (!el || typeof ResizeObserver === "undefined") return undefined;
        const seen = new ResizeObserver(() => setWide(el.scrollWidth > el.clientWidth + 1));
        seen.observe(el);
        if (el.firstElementChild) seen.observe(el.firstElementChild);
        return () => seen.disconnect();
    }, []);
    return (
        <div ref={ref} class={name} {...(wide ? {tabIndex: 0, role: "group", "aria-label": label} : {})}>
            {children}
        </div>
    );
}
