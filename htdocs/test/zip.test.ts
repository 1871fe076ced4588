// @vitest-environment node
import {describe, expect, it} from "vitest";
import {type Entry, ZipTrouble, entries, isZip, unpack, unpackBlob, wanted} from "../src/conversations/zip";
import {zip} from "./archive";

const blob = (b: Uint8Array) => new Blob([Uint8Array.from(b)]);
const TEXT = JSON.stringify({some: "Größe ".repeat(500)});
const read = async (b: Blob, most = 1e6) => {
    const all = await entries(b);
    return Promise.all(all.map(async (e) => (await unpack(b, e, most)).text));
};
const why = async (b: Blob, most?: number): Promise<string> => {
    try {
        await read(b, most);
        return "read";
    } catch (e) {
        if (!(e instanceof ZipTrouble)) throw e;
        return e.why;
    }
};

describe("an archive", () => {
    it.each([
        ["deflated", zip([{name: "a.json", data: TEXT}, {name: "d/b.json", data: "{}"}])],
        ["stored", zip([{name: "a.json", data: TEXT, stored: true}, {name: "d/b.json", data: "{}", stored: true}])],
        ["with a comment", zip([{name: "a.json", data: TEXT}, {name: "d/b.json", data: "{}"}], "PK\u0005\u0006".padEnd(3000, "x"))],
        ["with large numbers", zip([{name: "a.json", data: TEXT, zip64: true}, {name: "d/b.json", data: "{}"}], "", true)],
    ])("%s is read", async (_, b) => {
        expect(await isZip(blob(b))).toBe(true);
        expect((await entries(blob(b))).map((e) => e.name)).toEqual(["a.json", "d/b.json"]);
        expect(await read(blob(b))).toEqual([TEXT, "{}"]);
        expect(await (await unpackBlob(blob(b), (await entries(blob(b)))[0] as Entry, 1e6)).text()).toBe(TEXT);
    });
    it("is not every file", async () => {
        for (const text of ["", "PK", "{}", "PK\u0003\u0004", "x".repeat(100)]) expect(await isZip(new Blob([text]))).toBe(false);
    });
    it("is not read beyond its directory and the wanted files", async () => {
        const b = blob(zip([{name: "picture.png", data: Buffer.alloc(3_000_000, "x"), stored: true}, {name: "a.json", data: TEXT}]));
        let taken = 0;
        const slice = b.slice.bind(b);
        b.slice = (from = 0, to = 0) => {
            taken += to - from;
            return slice(from, to);
        };
        const e = (await entries(b))[1] as Entry;
        expect((await unpack(b, e, 1e6)).text).toBe(TEXT);
        expect(taken).toBeLessThan(200_000);
    });
});

describe("a hostile archive", () => {
    const bomb = Buffer.alloc(50_000_000);
    it.each<[string, Uint8Array, string]>([
        ["unpacks to more than is taken", zip([{name: "a.json", data: bomb}]), "too-large"],
        ["says that it is small", zip([{name: "a.json", data: bomb, lie: {size: 100}}]), "damaged"],
        ["says that it is larger than it is", zip([{name: "a.json", data: "{}", lie: {size: 100}}]), "damaged"],
        ["lies about what is packed", zip([{name: "a.json", data: TEXT, lie: {packed: 10}}]), "damaged"],
        ["points behind its end", zip([{name: "a.json", data: "{}", lie: {at: 1e6}}]), "damaged"],
        ["points at itself", zip([{name: "a.json", data: "{}", lie: {at: 3}}]), "damaged"],
        ["packs behind its end", zip([{name: "a.json", data: "{}", lie: {packed: 1e6}}]), "damaged"],
        ["points out of all numbers", zip([{name: "a.json", data: "{}", zip64: true, lie: {at: 2 ** 53}}], "", true), "damaged"],
        ["is packed in an unknown way", zip([{name: "a.json", data: "{}", lie: {method: 93}}]), "damaged"],
        ["has a password", zip([{name: "a.json", data: "{}", lie: {flags: 1}}]), "damaged"],
        ["inflates to nonsense", zip([{name: "a.json", data: "\u0007".repeat(99), stored: true, lie: {method: 8}}]), "damaged"],
    ])("that %s", async (_, b, words) => expect(await why(blob(b))).toBe(words));
    it("is given up where it is cut, wherever that is", async () => {
        const b = zip([{name: "conversations.json", data: TEXT}, {name: "b.json", data: "{}", zip64: true}], "end", true);
        for (let n = 0; n < b.length; n++) expect(await why(blob(b.subarray(0, n)))).toBe("damaged");
    });
    it("does no harm with any byte changed", async () => {
        const b = zip([{name: "a.json", data: "{}"}, {name: "b.json", data: "{}", zip64: true}], "", true);
        for (let i = 0; i < b.length; i++) {
            const bad = Uint8Array.from(b);
            bad[i] = (bad[i] ?? 0) ^ 0xff;
            expect(["read", "damaged", "too-large"]).toContain(await why(blob(bad)));
        }
    });
    it("with files one in the other is read as far as there is room", async () => {
        const b = blob(zip([{name: "a.json", data: TEXT}, {name: "b.json", data: TEXT, lie: {at: 0}}]));
        expect(await read(b)).toEqual([TEXT, TEXT]);
        expect(await why(b, TEXT.length)).toBe("too-large");
    });
});

it.each([
    [["user.json", "conversations.json", "chat.html", "file.png"], ["conversations.json"]],
    [["x/conversations-000.json", "x/conversations-001.json", "x/user.json"], ["x/conversations-000.json", "x/conversations-001.json"]],
    [["chats-2026-01-01.json", "other.JSON", "notes.txt", ".hidden.json", "__MACOSX/chats.json"], ["chats-2026-01-01.json", "other.JSON"]],
    [["a.png"], []],
])("of %j the files %j are wanted", (names, expected) => {
    expect(wanted(names.map((name) => ({name, method: 0, encrypted: false, packed: 0, size: 0, at: 0}))).map((e) => e.name)).toEqual(expected);
});
