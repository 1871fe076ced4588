import type {ComponentChildren} from "preact";
import {useEffect, useRef} from "preact/hooks";
import {t} from "../i18n";
import {Button} from "./Button";

type Props = {
    title: string;
    onClose: () => void;
    children: ComponentChildren;
    /** Below the body, at the end: the dialog's buttons. */
    actions?: ComponentChildren;
    wide?: boolean;
    /** Without its own heading and close button: the body brings its own. The title is said, not shown. */
    bare?: boolean;
};

/** A modal dialog: the browser's own, so focus stays inside, Esc closes, and focus goes back to where it was. */
export function Dialog({title, onClose, children, actions, wide, bare}: Props) {
    const ref = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const before = document.activeElement;
        ref.current?.showModal();
        return () => {
            if (before instanceof HTMLElement && before.isConnected) before.focus();
        };
    }, []);
    return (
        <dialog
            ref={ref}
            class={`dialog${wide ? " dialog-wide" : ""}${bare ? " dialog-bare" : ""}`}
            aria-label={title}
            onCancel={(e) => {
                if (e.target !== ref.current) return; // a file chooser inside that was given up
                e.preventDefault();
                onClose();
            }}
            onMouseDown={(e) => {
                if (e.target === ref.current) onClose();
            }}
        >
            <div class="dialog-box">
                {!bare && (
                    <header class="dialog-head">
                        <h2>{title}</h2>
                        <Button icon="close" label={t("app.close")} onClick={onClose} />
                    </header>
                )}
                <div class="dialog-body">{children}</div>
                {actions && <footer class="dialog-actions">{actions}</footer>}
            </div>
        </dialog>
    );
}
