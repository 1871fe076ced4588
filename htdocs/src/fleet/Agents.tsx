import {useSignal} from "@preact/signals";
import type {Agent, AgentModel} from "../api/fleet";
import {number, t} from "../i18n";
import {Loaded} from "../models/Facts";
import {Name} from "../models/Name";
import {Icon} from "../ui/Icon";
import {Slots} from "./Slots";
import {type AgentOrder, agentOrders, sortAgents, sortOffers} from "./sort";
import {ahead, now} from "./store";
import {ago, clock, errorWords, since, stateWhy, stateWord} from "./words";

/** So many models a card shows at first. */
const FEW = 5;

export function Agents({agents}: {agents: Agent[]}) {
    const order = useSignal<AgentOrder>("name");
    return (
        <section class="fleet-part" aria-labelledby="fleet-machines">
            <header>
                <h2 id="fleet-machines">{t("fleet.machines")}</h2>
                {agents.length > 1 && (
                    <label class="fleet-sort">
                        <span>{t("fleet.sort")}</span>
                        <select
                            class="input"
                            value={order.value}
                            onChange={(e) => (order.value = agentOrders.find((x) => x === e.currentTarget.value) ?? "name")}
                        >
                            {agentOrders.map((x) => (
                                <option key={x} value={x}>
                                    {t(`fleet.sort.${x}`)}
                                </option>
                            ))}
                        </select>
                    </label>
                )}
            </header>
            <ul class="fleet-cards">
                {sortAgents(agents, order.value).map((a) => (
                    <Card key={a.id} agent={a} />
                ))}
            </ul>
        </section>
    );
}

function Card({agent: a}: {agent: Agent}) {
    const time = now.value + ahead.value;
    const when = since(a, time);
    const reason = stateWhy(a.state);
    const made = [a.version && `dgon-agent ${a.version}`, a.os, a.address].filter(Boolean);
    return (
        <li class={`fleet-card is-${a.state}`}>
            <header>
                <h3>
                    <bdi>{a.id}</bdi>
                </h3>
                <span class={`fleet-state is-${a.state}`}>{stateWord(a.state)}</span>
            </header>
            {reason && a.state !== "away" && <p class="fleet-small">{reason}</p>}
            {a.state !== "away" && a.slots > 0 && <Slots busy={a.busy} total={a.slots} />}
            {a.state !== "away" && <Offers models={a.models} />}
            <footer>
                <p>
                    {when && <span title={a.since ? clock(a.since - ahead.value) : undefined}>{when}</span>}
                    {a.done > 0 && <span>{a.done === 1 ? t("fleet.done1") : t("fleet.done", {n: number(a.done)})}</span>}
                    {a.failed > 0 && <span>{t("fleet.failedOf", {n: number(a.failed)})}</span>}
                </p>
                {a.lastError && (
                    <p class="fleet-error">
                        <Icon name="warning" size={14} />
                        <span title={clock(a.lastError.at - ahead.value)}>
                            {t("fleet.lastError", {ago: ago(a.lastError.at, time), what: errorWords(a.lastError)})}
                        </span>
                    </p>
                )}
                {made.length > 0 && (
                    <p class="fleet-made">
                        {made.map((x) => (
                            <bdi key={x}>{x}</bdi>
                        ))}
                    </p>
                )}
            </footer>
        </li>
    );
}

function Offers({models}: {models: AgentModel[]}) {
    const all = useSignal(false);
    if (models.length === 0) return <p class="fleet-small">{t("fleet.noModels")}</p>;
    const shown = all.value || models.length <= FEW + 1 ? sortOffers(models) : sortOffers(models).slice(0, FEW);
    return (
        <div class="fleet-offers">
            <ul>
                {shown.map((m) => (
                    <li key={m.id}>
                        <Name id={m.id} />
                        <span class="fleet-offer-facts">
                            {m.rate > 0 && <span>{t("fleet.speed", {n: number(m.rate, m.rate < 10 ? 1 : 0)})}</span>}
                            <Loaded loaded={m.loaded} />
                        </span>
                    </li>
                ))}
            </ul>
            {models.length > FEW + 1 && (
                <button type="button" class="fleet-more" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
                    {all.value ? t("fleet.less") : t("fleet.more", {n: number(models.length)})}
                </button>
            )}
        </div>
    );
}
