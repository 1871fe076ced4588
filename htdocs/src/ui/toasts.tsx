/** Short words at the foot of the page that go by themselves, and what screen readers are told. */
import {signal} from "@preact/signals";
import {Button} from "./Button";
import {t} from "../i18n";

const STAY_MS = 8000;

type Toast = {id: number; text: string; action?: {label: string; run: () => void}};
const toasts = signal<Toast[]>([]);
let last = 0;

const drop = (id: number) => {
    toasts.value = toasts.value.filter((x) => x.id !== id);
};

/** gone runs when the toast went without its action. */
export function toast(text: string, action?: Toast["action"], gone?: () => void): void {
    const id = ++last;
    let used = false;
    const mine: Toast = {id, text};
    if (action) {
        mine.action = {
            label: action.label,
            run: () => {
                used = true;
                drop(id);
                action.run();
            },
        };
    }
    toasts.value = [...toasts.value.slice(-2), mine];
    setTimeout(() => {
        drop(id);
        if (!used) gone?.();
    }, STAY_MS);
}

const said = signal("");
/** For screen readers only. Not for each token: see chat/announce.ts. */
export function say(text: string): void {
    said.value = said.peek() === text ? `${text}\u00a0` : text;
}

export function Toasts() {
    return (
        <>
            <div class="toasts" role="status" aria-live="polite">
                {toasts.value.map((x) => (
                    <div class="toast" key={x.id}>
                        <span>{x.text}</span>
                        {x.action && (
                            <Button kind="plain" onClick={x.action.run}>
                                {x.action.label}
                            </Button>
                        )}
                        <Button icon="close" label={t("app.close")} onClick={() => drop(x.id)} />
                    </div>
                ))}
            </div>
            <div class="unseen" aria-live="polite">
                {said.value}
            </div>
        </>
    );
}
