import {beforeEach, describe, expect, it} from "vitest";
import * as db from "../src/conversations/db";
import * as store from "../src/conversations/store";
import {fits, goodParams, numberParams, ranges, readNumber, readStops, withParam, writeStops} from "../src/settings/params";
import {NAME_MAX, applyPreset, loadPresets, presets, removePreset, renamePreset, savePreset} from "../src/settings/presets";

describe("parameters", () => {
    it("read what people write", () => {
        expect(readNumber("temperature", "")).toBeUndefined();
        expect(readNumber("temperature", " 0,7 ")).toBe(0.7);
        expect(readNumber("presence_penalty", "-2")).toBe(-2);
        expect(readNumber("top_p", ".5")).toBe(0.5);
        for (const bad of ["x", "1e3", "0x10", "2.1", "-0.1", "Infinity", "NaN", "1 2", "--1", "."]) expect(readNumber("temperature", bad)).toBeNull();
        for (const bad of ["0", "1.5", "1000001", "-1"]) expect(readNumber("max_tokens", bad)).toBeNull();
        expect(readNumber("seed", "9007199254740992")).toBeNull();
    });
    it("have ends that fit", () => {
        for (const name of numberParams) {
            expect(fits(name, ranges[name].min)).toBe(true);
            expect(fits(name, ranges[name].max)).toBe(true);
            expect(fits(name, ranges[name].max + 1)).toBe(false);
            expect(fits(name, Number.NaN)).toBe(false);
        }
    });
    it("write stop words as they are read", () => {
        expect(readStops("\n  \n")).toBeUndefined();
        expect(readStops("END\n\\n\\n")).toEqual(["END", "\n\n"]);
        expect(readStops(writeStops(["a", "\n", "\tb"]))).toEqual(["a", "\n", "\tb"]);
        expect(readStops("1\n2\n3\n4\n5")).toBeNull();
        expect(readStops("x".repeat(201))).toBeNull();
    });
    it("take nothing that is none", () => {
        expect(goodParams(null)).toEqual({});
        expect(goodParams({temperature: "1", top_p: 2, max_tokens: 10, stop: "END", reasoning_effort: "high", n: 5, __proto__: {seed: 1}})).toEqual({max_tokens: 10, stop: ["END"], reasoning_effort: "high", seed: 1});
        expect(goodParams({reasoning_effort: "max", stop: [1, ""]})).toEqual({});
    });
    it("lose a member without a trace", () => {
        expect(withParam({seed: 1, top_p: 0.5}, "seed", undefined)).toEqual({top_p: 0.5});
        expect(withParam({seed: 1}, "seed", 0)).toEqual({seed: 0});
    });
});

describe("presets", () => {
    const what = (system: string) => ({system, params: {seed: 1}, model: "m"});
    beforeEach(async () => {
        for (const p of await db.allPresets()) await db.dropPreset(p.id);
        await loadPresets();
    });
    it("are kept, sorted, and replaced by their name", async () => {
        expect(await savePreset(" b ", what("one"))).toBe(true);
        expect(await savePreset("a", what("two"))).toBe(true);
        const id = presets.value[1]?.id;
        expect(await savePreset("b", what("three"))).toBe(true);
        presets.value = [];
        await loadPresets();
        expect(presets.value.map((p) => [p.name, p.system])).toEqual([["a", "two"], ["b", "three"]]);
        expect(presets.value[1]?.id).toBe(id);
    });
    it("have a name, not too long, and one of each", async () => {
        expect(await savePreset("  ", what(""))).toBe(false);
        await savePreset("x".repeat(200), what(""));
        expect(presets.value[0]?.name).toHaveLength(NAME_MAX);
        await savePreset("other", what(""));
        const other = presets.value.find((p) => p.name === "other")?.id ?? "";
        expect(await renamePreset(other, "x".repeat(200))).toBe(false);
        expect(await renamePreset(other, "")).toBe(false);
        expect(await renamePreset("none", "y")).toBe(false);
        expect(await renamePreset(other, "new")).toBe(true);
        expect((await db.allPresets()).map((p) => p.name)).toContain("new");
    });
    it("are deleted", async () => {
        await savePreset("a", what(""));
        await removePreset(presets.value[0]?.id ?? "");
        expect(presets.value).toEqual([]);
        expect(await db.allPresets()).toEqual([]);
    });
    it("are applied to a conversation; one without a model leaves the model", () => {
        const c = store.current.value;
        store.change(c.id, {model: "first"});
        applyPreset({id: "1", name: "n", system: "S", params: {top_p: 0.1}, model: ""}, c.id);
        expect(store.current.value).toMatchObject({system: "S", params: {top_p: 0.1}, model: "first"});
        applyPreset({id: "1", name: "n", system: "S", params: {}, model: "other"}, c.id);
        expect(store.current.value).toMatchObject({params: {}, model: "other"});
    });
});
