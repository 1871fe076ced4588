import {number, t} from "../i18n";

/** More than so many are drawn as so many. */
const DRAWN = 24;

/** A piece for each slot, filled if it is busy, and the same in words. */
export function Slots({busy, total}: {busy: number; total: number}) {
    const n = Math.min(total, DRAWN);
    const full = total <= DRAWN ? busy : Math.ceil((busy / total) * DRAWN);
    return (
        <div class="fleet-slots">
            <span class="fleet-bar" aria-hidden="true">
                {Array.from({length: n}, (_, i) => (
                    <i key={i} class={i < full ? "is-busy" : ""} />
                ))}
            </span>
            <span>{t(total === 1 ? "fleet.slots1" : "fleet.slots", {busy: number(busy), total: number(total)})}</span>
        </div>
    );
}
