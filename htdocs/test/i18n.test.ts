import {afterEach, describe, expect, it, vi} from "vitest";
import {languages, locale, t} from "../src/i18n";
import {type Key, en} from "../src/i18n/en";
import {language} from "../src/settings/prefs";

/** Words that are the same in that language, and why not: names, signs, loan words. */
const same: Record<string, string[]> = {
    de: [
        "app.title", "app.ok", "set.theme.system", "set.version", "param.top_p", "keys.chat", "keys.alt", "keys.esc", "message.version",
        "fleet.head", "fleet.live", "fleet.sort.name", "md.code", "md.codeIn", "fleet.join.bash", "fleet.join.powershell",
    ],
    fr: [
        "app.title", "app.menu", "app.ok", "set.version", "param.top_p", "palette.messages", "palette.chats", "keys.page", "keys.chat", "keys.ctrl",
        "keys.alt", "chat.log", "composer.label", "message.versions", "message.version", "list.label", "list.fleet", "models.agents", "models.agents1",
        "models.can.vision", "fleet.head", "fleet.machines", "md.code", "md.image", "fleet.col.agents", "fleet.join.bash", "fleet.join.powershell",
    ],
    ar: ["param.top_p", "keys.ctrl", "keys.shift", "keys.alt", "keys.enter", "keys.esc", "message.version", "fleet.join.bash", "fleet.join.powershell"],
};
const holes = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
const others = Object.keys(languages).filter((x) => x !== "en");

afterEach(() => {
    language.value = "";
});

describe.each(others)("the words in %s", (code) => {
    const load = async (): Promise<Record<string, string>> => ({...(await languages[code]?.load())});
    it("are all there, and no others", async () => {
        expect(Object.keys(await load()).sort()).toEqual(Object.keys(en).sort());
    });
    it("have the same values in them", async () => {
        for (const [key, text] of Object.entries(await load())) expect([key, holes(text)]).toEqual([key, holes(en[key as Key])]);
    });
    it("say something, in their own language", async () => {
        const words = await load();
        for (const [key, text] of Object.entries(words)) expect([key, text.trim() !== "" && text === text.trim()]).toEqual([key, true]);
        const equal = Object.keys(words).filter((key) => words[key] === en[key as Key]);
        expect(equal.filter((key) => !same[code]?.includes(key))).toEqual([]);
    });
    it("have no markup", async () => {
        for (const text of Object.values(await load())) expect(text).not.toMatch(/[<>]|&\w+;/);
    });
});

describe("the language", () => {
    it("is followed, with its direction", async () => {
        language.value = "ar";
        await vi.waitFor(() => expect(t("app.cancel")).toBe("إلغاء"));
        expect(document.documentElement.lang).toBe("ar");
        expect(document.documentElement.dir).toBe("rtl");
        language.value = "de";
        await vi.waitFor(() => expect(t("conversation.deleted", {title: "$&{title}"})).toBe("„$&{title}“ gelöscht."));
        expect(document.documentElement.dir).toBe("ltr");
    });
    it("falls back to English", () => {
        for (const odd of ["xx", "constructor", "__proto__", "toString"]) {
            language.value = odd;
            expect(locale.value).toBe("en");
        }
        language.value = "fr-CA";
        expect(locale.value).toBe("fr");
    });
});
