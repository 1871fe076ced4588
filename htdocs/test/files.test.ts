import {describe, expect, it} from "vitest";
import {cpuMs} from "./cpu";
import {toBase64} from "../src/conversations/base64";
import {type Form, type Taken, convert, fileName, ownEntry, ownHead, ownTail, recognize, toMarkdown} from "../src/conversations/files";
import {thinking} from "../src/conversations/openwebui";
import {pathTo} from "../src/conversations/tree";
import type {Conversation, Message} from "../src/conversations/types";

const conversation = (more: Partial<Conversation> = {}): Conversation => ({
    id: "c", title: "A title", named: true, created: 1000, updated: 2000, pinned: true, folder: "work", model: "m", system: "Be brief.",
    params: {temperature: 0.5, stop: ["END"]}, leaf: "a1", draft: "not sent", deleted: 0, ...more,
});
const message = (id: string, parent: string, role: Message["role"], text: string, more: Partial<Message> = {}): Message => ({
    id, conversation: "c", parent, role, text, reasoning: "", calls: [], files: [], model: role === "assistant" ? "m" : "", state: "done",
    finish: "", stats: {}, created: 1000, touched: 0, ...more,
});
const good = (x: Taken | string): Taken => {
    if (typeof x === "string") throw new Error(x);
    return x;
};
const shown = (x: Taken) => pathTo(new Map(x.messages.map((m) => [m.id, m])), x.conversation.leaf).map((m) => `${m.role[0]}:${m.text}`);
const from = (v: unknown): Taken | string => {
    const p = recognize(v);
    return p ? convert(p.form, p.entries[0]) : "unknown";
};

describe("our own form", () => {
    const q = message("q", "", "user", "Hi", {files: [{id: "f", name: "a.png", type: "image/png", size: 3, kind: "image"}]});
    const a1 = message("a1", "q", "assistant", "One", {created: 1001, reasoning: "hm", calls: [{id: "1", name: "f", arguments: "{}"}], stats: {first: 3, estimated: true}});
    const a2 = message("a2", "q", "assistant", "Two", {created: 1002});

    it("comes back as it was, with new names, without the draft", () => {
        const presets = [{id: "p", name: "Short", system: "s", params: {seed: 7}, model: "m"}];
        const text = ownHead(presets) + ownEntry(conversation(), [q, a1, a2], new Map([["f", "AQID"]])) + ownTail;
        expect(text).not.toContain("not sent");
        const parsed = recognize(JSON.parse(text));
        expect(parsed?.form).toBe("own");
        expect(parsed?.presets).toEqual([{...presets[0], id: expect.not.stringMatching(/^p$/) as unknown}]);
        const back = good(convert("own", parsed?.entries[0]));
        expect(back.conversation).toMatchObject({
            title: "A title", named: true, created: 1000, updated: 2000, pinned: true, folder: "work", model: "m", system: "Be brief.",
            params: {temperature: 0.5, stop: ["END"]}, draft: "", deleted: 0,
        });
        expect(shown(back)).toEqual(["u:Hi", "a:One"]); // the branch that was shown, not the newest
        expect(back.messages.map((m) => m.text).sort()).toEqual(["Hi", "One", "Two"]);
        expect(back.messages.find((m) => m.text === "One")).toMatchObject({reasoning: "hm", calls: a1.calls, stats: a1.stats});
        for (const m of back.messages) {
            expect(m.conversation).toBe(back.conversation.id);
            expect(["q", "a1", "a2"]).not.toContain(m.id);
        }
        const file = back.messages.find((m) => m.role === "user")?.files[0];
        expect(file).toMatchObject({name: "a.png", type: "image/png", size: 3, kind: "image"});
        expect(back.files).toHaveLength(1);
        expect(back.files[0]?.id).toBe(file?.id);
        expect(back.files[0]?.conversation).toBe(back.conversation.id);
    });
    it("keeps the bytes of an attachment", async () => {
        expect(await toBase64(new Blob([new Uint8Array([1, 2, 255])]))).toBe("AQL/");
    });
    it("marks an answer that was being written as cut", () => {
        const back = good(convert("own", {messages: [{...a1, parent: "", state: "streaming"}]}));
        expect(back.messages[0]?.state).toBe("cut");
    });
    it("takes no attachment that a browser would run", () => {
        const back = good(convert("own", {
            messages: [{...q, files: [
                {id: "1", name: "a.svg", type: "image/svg+xml", kind: "image"}, {id: "2", name: "b.html", type: "text/html", kind: "text"},
                {id: "3", name: "c", type: "image/png", kind: "script"}, {id: "4", name: "d.png", type: "image/png", kind: "image"},
            ]}],
            files: [{id: "1", data: "AQID"}, {id: "2", data: "AQID"}, {id: "3", data: "AQID"}, {id: "4", data: "!! not base64"}],
        }));
        expect(back.messages[0]?.files.map((f) => [f.name, f.type])).toEqual([["b.html", "text/plain"]]);
        expect(back.files[0]?.blob.type).toBe("text/plain");
    });
});

const openai = (mapping: Record<string, unknown>, more: Record<string, unknown> = {}) => [{title: "T", create_time: 1700000000.5, mapping, current_node: "a", ...more}];
const said = (role: string, text: unknown, more: Record<string, unknown> = {}) => ({
    author: {role}, content: {content_type: "text", parts: Array.isArray(text) ? text : [text]}, create_time: 1700000001, ...more,
});

describe("OpenAI's export", () => {
    it("is read: branch, model, times, system", () => {
        const x = good(from(openai({
            root: {id: "root", parent: null, children: ["s"], message: null},
            s: {id: "s", parent: "root", message: said("system", "Be kind.")},
            q: {id: "q", parent: "s", message: said("user", ["See", {content_type: "image_asset_pointer", asset_pointer: "file://x"}])},
            a: {id: "a", parent: "q", message: said("assistant", "Old \ue200cite\ue202turn0\ue201end", {metadata: {model_slug: "gpt-x"}})},
            b: {id: "b", parent: "q", message: said("assistant", "New", {create_time: 1700000009})},
        })));
        expect(x.conversation).toMatchObject({title: "T", named: true, system: "Be kind.", created: 1700000000500, model: "gpt-x"});
        expect(shown(x)).toEqual(["u:See", "a:Old end"]);
        expect(x.messages).toHaveLength(3);
    });
    it("folds thinking and tools into the answer they belong to", () => {
        const x = good(from(openai({
            q: {parent: null, message: said("user", "2+2")},
            t: {parent: "q", message: {author: {role: "assistant"}, content: {content_type: "thoughts", thoughts: [{summary: "Add", content: "two"}]}}},
            c: {parent: "t", message: {author: {role: "assistant"}, recipient: "python", content: {content_type: "code", text: "2+2"}}},
            r: {parent: "c", message: {author: {role: "tool"}, content: {content_type: "execution_output", text: "4"}}},
            a: {parent: "r", message: said("assistant", "Four", {recipient: "all"})},
            n: {parent: "a", message: said("user", "Thanks")},
        }, {current_node: "n"})));
        expect(shown(x)).toEqual(["u:2+2", "a:Four", "u:Thanks"]);
        expect(x.messages.find((m) => m.role === "assistant")).toMatchObject({reasoning: "Add\n\ntwo", calls: [{name: "python", arguments: "2+2"}]});
    });
    it("does not fold two answers of one question", () => {
        const x = good(from(openai({
            q: {parent: null, message: said("user", "Q")}, a: {parent: "q", message: said("assistant", "A")}, b: {parent: "q", message: said("assistant", "B")},
        })));
        expect(x.messages).toHaveLength(3);
    });
    it("has its pictures with their messages: of questions, and of the tool that painted an answer", () => {
        const part = (id: string) => ({content_type: "image_asset_pointer", asset_pointer: `file-service://${id}`});
        const picture = (id: string) => [id, {file: {id, name: `${id}.png`, type: "image/png", size: 3, kind: "image" as const}, blob: new Blob(["abc"])}] as const;
        const mapping = {
            q: {parent: null, message: said("user", ["See", part("file-1"), part("file-2"), part("file-1")])},
            c: {parent: "q", message: said("assistant", "{}", {recipient: "dalle.text2im"})},
            p: {parent: "c", message: said("tool", ["Tell nobody", part("file-3")])},
            a: {parent: "p", message: said("assistant", "There")},
            n: {parent: "a", message: said("user", [part("file-4")])},
            t: {parent: "n", message: said("tool", [part("file-2")])},
        };
        const x = good(convert("openai", {mapping, current_node: "t"}, undefined, {found: new Map(["file-1", "file-3", "file-4"].map(picture)), missing: "[none]"}));
        expect(shown(x)).toEqual(["u:See\n\n[none]", "a:There", "u:"]);
        expect(x.messages.map((m) => m.files.map((f) => f.id))).toEqual([["file-1"], ["file-3"], ["file-4"]]);
        expect(x.messages[1]?.calls).toMatchObject([{name: "dalle.text2im"}]);
        expect(new Set(x.files.map((f) => f.id))).toEqual(new Set(["file-1", "file-3", "file-4"]));
        for (const f of x.files) expect(f.conversation).toBe(x.conversation.id);
    });
    it("finds the shown branch where its end was folded or skipped", () => {
        const x = good(from(openai({
            q: {parent: null, message: said("user", "Q")}, a: {parent: "q", message: said("assistant", "A")},
            z: {parent: "a", message: said("tool", "result")},
        }, {current_node: "z"})));
        expect(shown(x)).toEqual(["u:Q", "a:A"]);
    });
});

describe("Open WebUI's export", () => {
    const one = (messages: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
        title: "W", created_at: 1700000000, pinned: true, chat: {title: "W", models: ["llama"], params: {system: "S", temperature: 9, seed: 3}, history: {messages, currentId: "a"}}, ...more,
    });
    it("is read, as a list or alone", () => {
        const v = one({
            q: {id: "q", parentId: null, role: "user", content: [{type: "text", text: "Look"}, {type: "image_url", image_url: {url: "data:image/png;base64,AQID"}}], timestamp: 1700000000},
            a: {id: "a", parentId: "q", role: "assistant", model: "llama", content: '<details type="reasoning" done="true">\n<summary>Thought</summary>\n> so\n> it is\n</details>\nYes', timestamp: 1700000005},
        });
        for (const x of [good(from(v)), good(from([v]))]) {
            expect(x.conversation).toMatchObject({title: "W", system: "S", params: {seed: 3}, model: "llama", pinned: true, created: 1700000000000});
            expect(shown(x)).toEqual(["u:Look", "a:Yes"]);
            expect(x.messages.find((m) => m.role === "assistant")?.reasoning).toBe("so\nit is");
            expect(x.files).toHaveLength(1);
        }
    });
    it("never fetches a picture that is not in the file", () => {
        const x = good(from(one({a: {role: "user", content: "x", files: [{type: "image", url: "https://example.org/x.png"}, {type: "image", url: "data:image/svg+xml;base64,AQID"}]}})));
        expect(x.files).toEqual([]);
    });
    it("is read without a history", () => {
        const x = good(from({chat: {messages: [{role: "system", content: "S"}, {role: "user", content: "Q"}, {role: "assistant", content: "A"}]}}));
        expect(shown(x)).toEqual(["u:Q", "a:A"]);
        expect(x.conversation.system).toBe("S");
    });
    it("leaves an open <details> as text", () => {
        expect(thinking('a <details type="reasoning"> b')).toEqual({text: 'a <details type="reasoning"> b', reasoning: ""});
    });
});

describe("hostile files", () => {
    const forms: Form[] = ["own", "openai", "open-webui"];
    it("are none of ours", () => {
        for (const v of [null, 1, "x", true, [], {}, [1, null, "x"], {format: "dgon-conversations"}, {format: "dgon-conversations", conversations: {}}, {mapping: 1}, {chat: 1}]) {
            expect(recognize(v)).toBeUndefined();
        }
    });
    it("hold anything: each entry is taken or left out, none throws", () => {
        const odd: unknown[] = [null, undefined, 1, "x", [], {}, {messages: 1}, {messages: [null, 1, "x", [], {}]}, {mapping: null}, {mapping: []}, {mapping: {a: null, b: 1, c: {message: 1}}},
            {mapping: {a: {message: {author: 1, content: 1}}}}, {mapping: {a: {message: {author: {role: "user"}, content: {parts: [null, 1, {}, []]}}}}},
            {chat: null}, {chat: {history: 1}}, {chat: {history: {messages: []}}}, {chat: {history: {messages: {a: null}}}}, {chat: {messages: [null, 1]}},
            {chat: {history: {messages: {a: {role: "user", content: [{image_url: 1}, null], files: [1, null]}}}}}, JSON.parse('{"messages":[{"id":"__proto__","role":"user","text":"x","parent":"constructor"}]}')];
        for (const form of forms) for (const v of odd) expect(() => convert(form, v)).not.toThrow();
        expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    });
    it("have loops, missing parents, and the same name twice", () => {
        const x = good(convert("own", {
            leaf: "3", messages: [
                message("1", "3", "user", "one"), message("2", "1", "assistant", "two"), message("3", "2", "user", "three"),
                message("4", "gone", "user", "four"), message("5", "5", "user", "five"), message("5", "", "user", "again"),
            ],
        }));
        const byId = new Map(x.messages.map((m) => [m.id, m]));
        expect(x.messages).toHaveLength(5);
        for (const m of x.messages) {
            let steps = 0;
            for (let at: Message | undefined = m; at; at = byId.get(at.parent)) expect(++steps).toBeLessThan(10);
            expect(m.parent === "" || byId.has(m.parent)).toBe(true);
        }
        expect(x.messages.filter((m) => m.parent === "").map((m) => m.text).sort()).toEqual(["five", "four", "one"]);
    });
    it("have loops of nodes that are skipped", () => {
        const x = good(from(openai({
            x: {parent: "y", message: said("tool", "1")}, y: {parent: "x", message: said("tool", "2")}, a: {parent: "x", message: said("user", "Q")},
        })));
        expect(shown(x)).toEqual(["u:Q"]);
    });
    it("are long chains: time is bounded", () => {
        const mapping: Record<string, unknown> = {};
        for (let i = 0; i < 39_000; i++) mapping[`n${i}`] = {parent: `n${i + 1}`, message: said(i % 20 === 0 ? "user" : "tool", "x")};
        const began = cpuMs();
        const x = good(from(openai(mapping)));
        expect(x.messages).toHaveLength(1950);
        expect(cpuMs() - began).toBeLessThan(1500);
    });
    it("are too long, or empty", () => {
        const many = Array.from({length: 10_001}, (_, i) => message(`${i}`, "", "user", "x"));
        expect(convert("own", {messages: many})).toBe("too-long");
        expect(convert("own", {messages: [message("1", "", "user", "x".repeat(4 * 1024 * 1024 + 1))]})).toBe("too-long");
        expect(convert("own", {messages: []})).toBe("empty");
        expect(convert("open-webui", {chat: {history: {messages: {}}}})).toBe("empty");
    });
    it("have unknown roles, bad numbers and names that mislead", () => {
        const x = good(convert("own", {
            title: "inv\u202eoice\u0000\n", created: 1e300, updated: -1, params: {temperature: 99, top_p: "x", seed: 1.5, stop: [1, "", "ok"], evil: 1},
            messages: [message("1", "", "user", "x"), {...message("2", "1", "assistant", "y"), role: "developer"}, message("3", "2", "assistant", "z", {created: 9e20})],
        }));
        expect(x.conversation.title).toBe("invoice");
        expect(x.conversation.params).toEqual({stop: ["ok"]});
        expect(x.conversation.created).toBeLessThanOrEqual(Date.now());
        expect(shown(x)).toEqual(["u:x", "a:z"]);
    });
});

describe("Markdown", () => {
    it("is the shown branch, with names and files", () => {
        const c = conversation({title: "A\nB"});
        const text = toMarkdown(c, [
            message("q", "", "user", "Hi\n# not a title", {files: [{id: "f", name: "a.png", type: "image/png", size: 1, kind: "image"}]}),
            message("a", "q", "assistant", "There", {reasoning: "one\ntwo", calls: [{id: "", name: "f`x", arguments: "a```b"}]}),
        ], {you: "You", assistant: "Answer", system: "Instructions", reasoning: "Thoughts", file: "File"});
        expect(text).toBe("# A B\n\n> **Instructions**\n>\n> Be brief.\n\n## You\n\n*File: a.png*\n\nHi\n# not a title\n\n## m\n\n> **Thoughts**\n>\n> one\n> two\n\n`f'x`\n\n````\na```b\n````\n\nThere\n");
    });
    it("has a name that every system takes", () => {
        expect(fileName("../a/b: c?", "md")).toBe("a b c.md");
        expect(fileName("CON", "md")).toBe("chat.md");
        expect(fileName("\u202e", "json")).toBe("chat.json");
    });
});
