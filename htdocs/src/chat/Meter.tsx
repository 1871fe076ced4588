/** How full the model's context is, as far as the last answer told. */
import {path} from "../conversations/store";
import {number, t} from "../i18n";
import {chosen, modelOf} from "../models/store";

export function Meter() {
    const last = [...path.value].reverse().find((m) => m.stats.prompt !== undefined);
    const used = (last?.stats.prompt ?? 0) + (last?.stats.completion ?? 0);
    const room = modelOf(chosen.value)?.context ?? 0;
    if (!used) return <span class="meter" />;
    const share = room ? Math.min(1, used / room) : 0;
    const text = room ? t("meter.of", {used: number(used), room: number(room)}) : t("meter.used", {used: number(used)});
    return (
        <span class={`meter${share > 0.85 ? " meter-full" : ""}`} title={text}>
            {room > 0 && <meter min={0} max={1} value={share} aria-label={text} />}
            <span>{room ? number(share * 100) + " %" : number(used)}</span>
        </span>
    );
}
