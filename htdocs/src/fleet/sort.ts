/** Orders of machines and of models. Pure. */
import {type Agent, type FleetModel, agentStates} from "../api/fleet";

export const agentOrders = ["name", "busy", "speed", "state"] as const;
export type AgentOrder = (typeof agentOrders)[number];

const byName = (a: {id: string}, b: {id: string}) => a.id.localeCompare(b.id, undefined, {numeric: true});
const share = (a: Agent) => (a.slots > 0 ? a.busy / a.slots : -1);
export const fastest = (a: Agent): number => Math.max(0, ...a.models.map((m) => m.rate));

const agentRules: Record<AgentOrder, (a: Agent, b: Agent) => number> = {
    name: byName,
    busy: (a, b) => share(b) - share(a),
    speed: (a, b) => fastest(b) - fastest(a),
    state: (a, b) => agentStates.indexOf(a.state) - agentStates.indexOf(b.state),
};

/** Equal ones by name. Who is away comes last, however they are sorted. */
export const sortAgents = (agents: readonly Agent[], order: AgentOrder): Agent[] =>
    [...agents].sort((a, b) => Number(a.state === "away") - Number(b.state === "away") || agentRules[order](a, b) || byName(a, b));

export type ModelColumn = "id" | "agents" | "slots" | "queued" | "context";

const value = (m: FleetModel, by: Exclude<ModelColumn, "id">) => (by === "slots" ? m.busy : m[by]);

export function sortModels(models: readonly FleetModel[], by: ModelColumn, down: boolean): FleetModel[] {
    const rule = (a: FleetModel, b: FleetModel) => (by === "id" ? byName(a, b) : value(a, by) - value(b, by));
    return [...models].sort((a, b) => (down ? -rule(a, b) : rule(a, b)) || byName(a, b));
}

/** What runs or is loaded first, as a machine's card lists its models. */
export const sortOffers = <T extends {id: string; loaded: boolean}>(models: readonly T[]): T[] =>
    [...models].sort((a, b) => Number(b.loaded) - Number(a.loaded) || byName(a, b));
