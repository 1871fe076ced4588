import type {ComponentChildren} from "preact";

/** A line of a dialog: what it is, a word about it, and its control at the end. id is that of the control, if it takes a label. */
export function Row({label, hint, id, children}: {label: string; hint?: string; id?: string; children: ComponentChildren}) {
    return (
        <div class="set-row">
            <div class="set-words">
                {id ? <label for={id}>{label}</label> : <span>{label}</span>}
                {hint && <p class="quiet-text" id={id && `${id}-hint`}>{hint}</p>}
            </div>
            <div class="set-control">{children}</div>
        </div>
    );
}

export function Switch({id, checked, hint, onChange}: {id: string; checked: boolean; hint?: boolean; onChange: (on: boolean) => void}) {
    return (
        <input type="checkbox" role="switch" class="switch" id={id} checked={checked} aria-describedby={hint ? `${id}-hint` : undefined}
            onChange={(e) => onChange(e.currentTarget.checked)} />
    );
}
