/** The models, as the server tells them. Others than this gateway tell little more than names. */
import {count, list, object} from "./read";
import {askJson} from "./request";
import {Trouble} from "./trouble";

export const abilities = ["completion", "tools", "vision", "thinking", "embedding"] as const;
export type Ability = (typeof abilities)[number];

export interface Model {
    id: string;
    /** Tokens; 0: not told. */
    context: number;
    /** Empty: not told. What is missing may still be there: not every model server tells all. */
    can: readonly Ability[];
    /** Not told by other servers than this gateway. */
    agents?: number;
    loaded?: boolean;
}

const MODELS_MAX = 2000;

export const readAbilities = (v: unknown): Ability[] => abilities.filter((x) => list(v, 32).includes(x));

function readModel(v: unknown): Model | undefined {
    const o = object(v);
    if (typeof o.id !== "string" || o.id === "" || o.id.length > 512) return undefined;
    const m: Model = {id: o.id, context: count(o.context_length), can: readAbilities(o.capabilities)};
    const dgon = object(o.dgon);
    if (typeof dgon.agents === "number") m.agents = count(dgon.agents);
    if (typeof dgon.loaded === "boolean") m.loaded = dgon.loaded;
    return m;
}

/** Throws a Trouble if v is no list of models. */
export function readModels(v: unknown): Model[] {
    if (!Array.isArray(object(v).data)) throw new Trouble("alien");
    const byId = new Map<string, Model>();
    for (const x of list(object(v).data, MODELS_MAX)) {
        const m = readModel(x);
        if (m) byId.set(m.id, m);
    }
    return [...byId.values()];
}

export const askModels = async (signal: AbortSignal): Promise<Model[]> => readModels(await askJson("v1/models", {signal}));
