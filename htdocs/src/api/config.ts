/** What the administrator says of this page: config.json beside it, if there is one. */
import {signal} from "@preact/signals";

export interface PageConfig {
    title?: string;
    /** An address of an image, beside the page or on its host. */
    logo?: string;
    default_model?: string;
    links?: {label: string; url: string}[];
    /** A line above the conversation: maintenance, rules of use. */
    notice?: string;
    /** Where the gateway's API is, relative to the page: "./" if not said. */
    api?: string;
}

export const config = signal<PageConfig>({});

/** The page's own address without its query and fragment. */
export const here = new URL(".", document.baseURI);

const text = (v: unknown): string | undefined => (typeof v === "string" && v !== "" ? v : undefined);

/** Only http and https: a link of another kind would be a script. */
export function safeUrl(v: unknown): string | undefined {
    try {
        const u = new URL(String(v), here);
        return u.protocol === "https:" || u.protocol === "http:" ? u.href : undefined;
    } catch {
        return undefined;
    }
}

export function readConfig(v: unknown): PageConfig {
    if (typeof v !== "object" || v === null) return {};
    const o = v as Record<string, unknown>;
    const c: PageConfig = {};
    for (const key of ["title", "default_model", "notice", "api"] as const) {
        const s = text(o[key]);
        if (s) c[key] = s;
    }
    const logo = o.logo === undefined ? undefined : safeUrl(o.logo);
    if (logo) c.logo = logo;
    if (Array.isArray(o.links)) {
        c.links = o.links.flatMap((x: unknown) => {
            const l = x as {label?: unknown; url?: unknown} | null;
            const label = text(l?.label);
            const url = l?.url === undefined ? undefined : safeUrl(l.url);
            return label && url ? [{label, url}] : [];
        });
    }
    return c;
}

/** The address of a path of the gateway: "v1/models". */
export const address = (path: string): URL => new URL(path, new URL(config.value.api ?? "./", here));

/** Never fails: a page without the file, or with a broken one, is the plain page. */
export async function loadConfig(): Promise<void> {
    try {
        const res = await fetch(new URL("config.json", here), {cache: "no-cache"});
        if (res.ok && res.headers.get("content-type")?.includes("json")) config.value = readConfig(await res.json());
    } catch (e) {
        console.warn("config.json is not used:", e);
    }
    // A page below a prefix of which the API is not: the host's own.
    if (!config.value.api && here.pathname !== "/") {
        const res = await fetch(new URL("v1/models", here), {redirect: "manual"}).catch(() => null);
        if (res?.status === 404) config.value = {...config.value, api: "/"};
    }
}
