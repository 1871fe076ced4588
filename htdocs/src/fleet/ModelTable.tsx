import {useSignal} from "@preact/signals";
import type {FleetModel} from "../api/fleet";
import {number, t} from "../i18n";
import type {Key} from "../i18n/en";
import {Abilities, Loaded} from "../models/Facts";
import {Name} from "../models/Name";
import {contextText} from "../models/list";
import {Icon} from "../ui/Icon";
import {type ModelColumn, sortModels} from "./sort";

const columns: {by: ModelColumn; word: Key}[] = [
    {by: "id", word: "fleet.col.model"},
    {by: "agents", word: "fleet.col.agents"},
    {by: "slots", word: "fleet.col.slots"},
    {by: "queued", word: "fleet.col.waiting"},
    {by: "context", word: "fleet.col.context"},
];

/** On a phone each cell says its column. */
const cell = (word: Key, value: string, mark = false) => (
    <td role="cell" class={mark ? "is-waiting" : ""}>
        <span class="fleet-cell-name" aria-hidden="true">
            {t(word)}
        </span>
        {value}
    </td>
);

/** The roles are said because phones show the rows as blocks, which some browsers then take for no table. */
export function ModelTable({models}: {models: FleetModel[]}) {
    const by = useSignal<ModelColumn>("id");
    const down = useSignal(false);
    const sort = (c: ModelColumn) => {
        down.value = by.value === c ? !down.value : c !== "id"; // of numbers one wants to see the largest
        by.value = c;
    };
    return (
        <section class="fleet-part" aria-labelledby="fleet-models">
            <header>
                <h2 id="fleet-models">{t("fleet.models")}</h2>
            </header>
            <div class="fleet-table">
                <table role="table" aria-labelledby="fleet-models">
                    <thead role="rowgroup">
                        <tr role="row">
                            {columns.map((c) => {
                                const on = by.value === c.by;
                                return (
                                    <th
                                        key={c.by}
                                        scope="col"
                                        role="columnheader"
                                        aria-sort={on ? (down.value ? "descending" : "ascending") : "none"}
                                    >
                                        <button type="button" onClick={() => sort(c.by)}>
                                            {t(c.word)}
                                            <span class={on ? "is-on" : ""}>
                                                <Icon name={on && down.value ? "down" : "up"} size={14} />
                                            </span>
                                        </button>
                                    </th>
                                );
                            })}
                        </tr>
                    </thead>
                    <tbody role="rowgroup">
                        {sortModels(models, by.value, down.value).map((m) => (
                            <tr role="row" key={m.id}>
                                <th scope="row" role="rowheader">
                                    <Name id={m.id} />
                                    <span class="model-facts">
                                        <Loaded loaded={m.loaded} />
                                        <Abilities can={m.can} />
                                    </span>
                                </th>
                                {cell("fleet.col.agents", number(m.agents))}
                                {cell("fleet.col.slots", t("fleet.total.of", {n: number(m.busy), total: number(m.slots)}))}
                                {cell("fleet.col.waiting", number(m.queued), m.queued > 0)}
                                {cell("fleet.col.context", m.context > 0 ? contextText(m.context) : "–")}
                            </tr>
                        ))}
                    </tbody>
                </table>
            </div>
        </section>
    );
}
