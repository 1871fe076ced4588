import type {Ability, Model} from "../api/models";
import {t} from "../i18n";
import type {Key} from "../i18n/en";
import {Icon, type IconName} from "../ui/Icon";
import {contextText} from "./list";

const shown: {can: Ability; icon: IconName; word: Key}[] = [
    {can: "vision", icon: "eye", word: "models.can.vision"},
    {can: "tools", icon: "tool", word: "models.can.tools"},
    {can: "thinking", icon: "brain", word: "models.can.thinking"},
];

export const machines = (n: number): string =>
    n === 0 ? t("models.agents0") : n === 1 ? t("models.agents1") : t("models.agents", {n});

export function Abilities({can}: {can: readonly Ability[]}) {
    return (
        <>
            {shown.filter((x) => can.includes(x.can)).map((x) => (
                <span class="model-can" key={x.can}>
                    <Icon name={x.icon} size={14} />
                    {t(x.word)}
                </span>
            ))}
        </>
    );
}

export function Loaded({loaded}: {loaded: boolean}) {
    return (
        <span class={`model-loaded${loaded ? " is-loaded" : ""}`} title={loaded ? undefined : t("models.coldWhy")}>
            {loaded ? t("models.loaded") : t("models.cold")}
        </span>
    );
}

/** The line below a model's name. What the server did not tell is not there. */
export function Facts({model: m}: {model: Model}) {
    return (
        <span class="model-facts">
            {m.loaded !== undefined && <Loaded loaded={m.loaded} />}
            {m.agents !== undefined && <span>{machines(m.agents)}</span>}
            {m.context > 0 && <span title={t("models.context", {n: contextText(m.context)})}>{contextText(m.context)}</span>}
            <Abilities can={m.can} />
        </span>
    );
}
