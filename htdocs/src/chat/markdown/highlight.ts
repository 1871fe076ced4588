/** Colours of code: highlight.js, loaded when the first code is shown. It gives a tree, not HTML. */
import type {Emitter, HLJSApi} from "highlight.js";

export type Part = string | {kind: string; parts: Part[]};

/** Longer code stays plain. */
export const HIGHLIGHT_MAX = 50 * 1024;

/** highlight.js's scopes, in the few kinds that our style sheet has colours for. */
const KINDS = new Map<string, string>(
    Object.entries({
        keyword: "keyword doctag template-tag built_in literal selector-tag name section meta-keyword",
        string: "string regexp char.escape selector-attr selector-pseudo link code meta-string",
        number: "number symbol bullet",
        comment: "comment quote",
        title: "title title.function title.class title.function.invoke title.class.inherited selector-id selector-class",
        type: "type attr attribute property variable variable.language variable.constant template-variable",
        meta: "meta meta.prompt",
        addition: "addition",
        deletion: "deletion",
        emphasis: "emphasis",
        strong: "strong",
    }).flatMap(([kind, scopes]) => scopes.split(" ").map((scope) => [scope, kind] as const)),
);

class Tree implements Emitter {
    readonly parts: Part[] = [];
    private readonly open: Part[][] = [this.parts];

    private get top(): Part[] {
        return this.open.at(-1) ?? this.parts;
    }
    addText(text: string): void {
        const last = this.top.at(-1);
        if (typeof last === "string") this.top[this.top.length - 1] = last + text;
        else if (text) this.top.push(text);
    }
    /** highlight.js calls these two by both of their names. */
    openNode(scope: string): void {
        const kind = KINDS.get(scope);
        if (kind === undefined) {
            this.open.push(this.top);
            return;
        }
        const parts: Part[] = [];
        this.top.push({kind, parts});
        this.open.push(parts);
    }
    closeNode(): void {
        if (this.open.length > 1) this.open.pop();
    }
    startScope(scope: string): void {
        this.openNode(scope);
    }
    endScope(): void {
        this.closeNode();
    }
    __addSublanguage(other: Emitter): void {
        if (other instanceof Tree) this.top.push(...other.parts);
    }
    // nothing is to be done when it has ended
    finalize(): void {}
    toHTML(): string {
        return "";
    }
}

let ready: HLJSApi | undefined;
let coming: Promise<HLJSApi> | undefined;

async function load(): Promise<HLJSApi> {
    coming ??= import("highlight.js/lib/common").then((m) => {
        m.default.configure({__emitter: Tree});
        ready = m.default;
        return m.default;
    });
    try {
        return await coming;
    } catch (e) {
        coming = undefined; // offline: the next code asks again
        throw e;
    }
}

function parts(hljs: HLJSApi, text: string, language: string): Part[] | null {
    if (!hljs.getLanguage(language)) return null;
    const result = hljs.highlight(text, {language, ignoreIllegals: true});
    return result._emitter instanceof Tree ? result._emitter.parts : null;
}

/** One code at a time, with a breath between two: a long conversation does not hold the page up. */
let queue: Promise<unknown> = Promise.resolve();

/** The colours of a text; null where there are none. The text is asked for when its turn has come; null: nobody wants it any more. */
export function highlight(text: () => string | null, language: string): Promise<Part[] | null> {
    const turn = queue.then(async () => {
        const hljs = ready ?? (await load());
        await new Promise((done) => setTimeout(done));
        const now = text();
        return now === null ? null : parts(hljs, now, language);
    });
    queue = turn.catch(() => null);
    return turn;
}
