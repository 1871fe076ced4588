/** Who works by keyboard does not lose the place: where the element with the focus goes or is disabled, what took its place has it. */

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex='0']";
/** Parts so small that their first element is as good as any. */
const SMALL = "li, footer, form, p, [role=group], .versions, .menu";

const label = (el: Element): string => el.getAttribute("aria-label") ?? el.textContent ?? "";
const usable = (el: Element): el is HTMLElement => el instanceof HTMLElement && el.matches(`:is(${FOCUSABLE}):not(:disabled)`) && el.checkVisibility();

interface Place {
    el: Element;
    name: string;
    top: number;
    above: Element[];
}

/** The same button of what is there now, else the first element of the small part it stood in. */
function inPlaceOf({el, name, top, above}: Place): HTMLElement | undefined {
    const part = above.find((x) => x.isConnected);
    if (!part) return undefined;
    const all = [...part.querySelectorAll(FOCUSABLE)].filter(usable);
    const far = (x: Element) => Math.abs(x.getBoundingClientRect().top - top);
    const same = all.filter((x) => x.localName === el.localName && label(x) === name).sort((a, b) => far(a) - far(b))[0];
    return same ?? (part.matches(SMALL) ? all[0] : undefined);
}

/** elsewhere: where the focus goes when nothing has taken the element's place. */
export function keepFocus(elsewhere: () => HTMLElement | null): void {
    let last: Place | undefined;
    let due = false;
    document.addEventListener("focusin", ({target: el}) => {
        last = undefined;
        // A click or a tap has a place without the focus.
        if (!(el instanceof HTMLElement) || !el.matches(":focus-visible")) return;
        const above: Element[] = [];
        for (let x = el.parentElement; x && x !== document.body; x = x.parentElement) above.push(x);
        last = {el, name: label(el), top: el.getBoundingClientRect().top, above};
    });
    document.addEventListener("pointerdown", () => (last = undefined), true);
    new MutationObserver(() => {
        if (!last || due || (last.el.isConnected && !last.el.matches(":disabled"))) return;
        due = true;
        // Whoever knows better has set the focus by then.
        requestAnimationFrame(() => {
            due = false;
            const before = last;
            last = undefined;
            const at = document.activeElement;
            if (before && (at === null || at === document.body || at === before.el)) (inPlaceOf(before) ?? elsewhere())?.focus();
        });
    }).observe(document.body, {subtree: true, childList: true, attributeFilter: ["disabled"]});
}
