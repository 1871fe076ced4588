import {useLayoutEffect, useRef} from "preact/hooks";
import {t} from "../../i18n";
import {Scroller} from "./Scroller";

type Drawer = typeof import("./mathml");
let ready: Drawer | undefined;
let coming: Promise<Drawer> | undefined;

async function load(): Promise<Drawer> {
    coming ??= import("./mathml");
    try {
        ready = await coming;
        return ready;
    } catch (e) {
        coming = undefined; // offline: the next formula asks again
        throw e;
    }
}

/** A formula. Until KaTeX is there, and where it cannot read it, its source is shown. */
export function Mathematics({tex, display, source}: {tex: string; display: boolean; source: string}) {
    const ref = useRef<HTMLElement>(null);
    useLayoutEffect(() => {
        let current = true;
        const show = (m: Drawer) => {
            const drawn = current ? m.draw(tex, display) : null;
            if (drawn) ref.current?.replaceChildren(drawn);
        };
        // Preact keeps no children here: what stands in the element is this effect's alone
        const text = document.createElement("code");
        text.textContent = source;
        ref.current?.replaceChildren(text);
        if (ready) show(ready);
        else load().then(show, () => undefined);
        return () => {
            current = false;
        };
    }, [tex, display, source]);
    if (!display) return <span ref={ref} class="md-math" />;
    return (
        <Scroller class="md-display" label={t("md.math")}>
            <span ref={ref} class="md-math" />
        </Scroller>
    );
}
