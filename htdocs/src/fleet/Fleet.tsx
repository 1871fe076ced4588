/** The machines and their models, for everybody who may see them. */
import {useSignal} from "@preact/signals";
import {useEffect} from "preact/hooks";
import type {Fleet as FleetNews} from "../api/fleet";
import {number, t} from "../i18n";
import {Button} from "../ui/Button";
import {Icon} from "../ui/Icon";
import {Agents} from "./Agents";
import {JoinDialog} from "./JoinDialog";
import {ModelTable} from "./ModelTable";
import {announce} from "./announce";
import {again, fleet, link, now, tick, told, watch, why} from "./store";
import {ago, headline, machinesUp, refusal} from "./words";
import "./fleet.css";

export function Fleet() {
    const joining = useSignal(false);
    useEffect(() => {
        const ends = [watch(), tick(), announce()];
        return () => ends.forEach((end) => end());
    }, []);
    const f = link.value === "refused" ? null : fleet.value;
    const add = (kind: "plain" | "primary") => (
        <Button kind={kind} icon="plus" onClick={() => (joining.value = true)}>
            {t("fleet.join")}
        </Button>
    );
    return (
        <div class="fleet">
            <div class="fleet-page">
                <header class="fleet-head">
                    <div>
                        <h1>{t("fleet.title")}</h1>
                        {f && <p class="fleet-headline">{headline(f)}</p>}
                    </div>
                    {f && f.agents.length > 0 && add("plain")}
                </header>
                {f ? <Shown f={f} add={add("primary")} /> : <Nothing />}
            </div>
            {joining.value && <JoinDialog onClose={() => (joining.value = false)} />}
        </div>
    );
}

function Shown({f, add}: {f: FleetNews; add: preact.ComponentChild}) {
    if (f.agents.length === 0) return <Empty>{add}</Empty>;
    return (
        <>
            <Link />
            <Totals f={f} />
            <Agents agents={f.agents} />
            {f.models.length > 0 && <ModelTable models={f.models} />}
        </>
    );
}

/** Is what stands here what is? */
function Link() {
    const live = link.value === "live";
    const old = now.value - told.value > 60_000;
    return (
        <p class={`fleet-link${live ? " is-live" : ""}`}>
            {live ? t("fleet.live") : why.value ? t("fleet.reconnecting") : t("fleet.connecting")}
            {!live && old && ` ${t("fleet.asOf", {ago: ago(told.value, now.value)})}`}
        </p>
    );
}

function Totals({f}: {f: FleetNews}) {
    const {jobs, slots} = f;
    const more = [
        jobs.failed > 0 && t("fleet.total.failed", {n: number(jobs.failed)}),
        jobs.refused > 0 && t("fleet.total.refused", {n: number(jobs.refused)}),
    ].filter(Boolean);
    const total = (label: string, value: string, below = "") => (
        <div class="fleet-total">
            <dt>{label}</dt>
            <dd>
                {value}
                {below && <small>{below}</small>}
            </dd>
        </div>
    );
    const of = (n: number, all: number) => t("fleet.total.of", {n: number(n), total: number(all)});
    return (
        <dl class="fleet-totals">
            {total(t("fleet.total.up"), of(machinesUp(f), f.agents.length))}
            {total(t("fleet.total.slots"), of(slots.busy, slots.total))}
            {total(t("fleet.total.waiting"), number(jobs.queued))}
            {total(t("fleet.total.done"), number(jobs.ok), more.join(", "))}
        </dl>
    );
}

function Empty({children}: {children: preact.ComponentChildren}) {
    return (
        <section class="fleet-note">
            <Icon name="fleet" size={40} />
            <h2>{t("fleet.empty.title")}</h2>
            <p>{t("fleet.empty.text")}</p>
            <ol>
                <li>{t("fleet.empty.1")}</li>
                <li>{t("fleet.empty.2")}</li>
                <li>{t("fleet.empty.3")}</li>
            </ol>
            {children}
        </section>
    );
}

/** Before the first news, and where there will be none. */
function Nothing() {
    if (!why.value) return <p class="fleet-loading">{t("fleet.loading")}</p>;
    const refused = link.value === "refused";
    const words = refusal(why.value);
    return (
        <section class="fleet-note">
            <Icon name={refused ? "info" : "warning"} size={40} />
            <h2>{words.title}</h2>
            <p>{words.text}</p>
            {refused && (
                <Button kind="plain" icon="retry" onClick={again}>
                    {t("app.retry")}
                </Button>
            )}
        </section>
    );
}
