// @vitest-environment node
import {beforeEach, describe, expect, it, vi} from "vitest";
import {picturesIn} from "../src/conversations/pictures";
import {entries} from "../src/conversations/zip";
import {type Member, zip} from "./archive";

const PNG = Uint8Array.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1, 2, 3]);
const JPEG = Uint8Array.from([0xff, 0xd8, 0xff, 0xe0, 0, 0x10, 0x4a, 0x46]);
const points = (...pointers: unknown[]) => ({
    mapping: {q: {message: {content: {content_type: "multimodal_text", parts: ["See", ...pointers.map((p) => ({content_type: "image_asset_pointer", asset_pointer: p}))]}}}},
});
const find = async (members: Member[], conversation: unknown) => {
    const archive = new Blob([Uint8Array.from(zip(members))]);
    return picturesIn(archive, await entries(archive))(conversation);
};

describe("pictures of an archive", () => {
    // What the browser does for a pasted one: Node draws nothing.
    beforeEach(() => void vi.stubGlobal("createImageBitmap", async (b: Blob) => {
        if ((await b.text()).includes("broken")) throw new Error("no picture");
        return {width: 1, height: 1, close: () => undefined};
    }));
    it("are found by their id, in any folder, whatever their names say", async () => {
        const found = await find([
            {name: "conversations.json", data: "[]"},
            {name: "file-One-a cat.png", data: PNG},
            {name: "user-x/file_0Two-sanitized.dat", data: JPEG, stored: true},
            {name: "dalle-generations/file-Three.webp", data: PNG},
            {name: "file-OneMore-other.png", data: JPEG},
        ], points("file-service://file-One", "sediment://file_0Two", "file-service://file-Three", "sediment://file_0Two", "file-service://file-On"));
        expect([...found].map(([id, p]) => [id, p.file.name, p.file.type, p.file.kind])).toEqual([
            ["file-One", "a cat.png", "image/png", "image"], ["file_0Two", "sanitized.dat", "image/jpeg", "image"], ["file-Three", "file-Three.webp", "image/png", "image"],
        ]);
        expect(new Uint8Array(await (found.get("file-One")?.blob ?? new Blob()).arrayBuffer())).toEqual(PNG);
        expect(new Set([...found.values()].map((p) => p.file.id)).size).toBe(3);
    });
    it("are none where the file is none, is damaged or too large", async () => {
        const found = await find([
            {name: "file-Html-a.png", data: "<script>alert(1)</script>"}, {name: "file-Svg-a.svg", data: '<svg xmlns="http://www.w3.org/2000/svg"/>'},
            {name: "file-Empty-a.png", data: ""}, {name: "file-Broken-a.png", data: Buffer.concat([PNG, Buffer.from("broken")])},
            {name: "file-Lie-a.png", data: PNG, lie: {size: 5}}, {name: "file-Far-a.png", data: PNG, lie: {at: 1e6}},
            {name: "file-Large-a.png", data: Buffer.concat([PNG, Buffer.alloc(20 * 1024 * 1024)])},
        ], points(...["Html", "Svg", "Empty", "Broken", "Lie", "Far", "Large", "Gone"].map((x) => `file-service://file-${x}`)));
        expect([...found]).toEqual([]);
    });
    it("are only those that messages name", async () => {
        const odd = [null, 1, {}, "file-One", "https://example.org/file-One", "file-service://../file-One", "file-service://"];
        expect([...await find([{name: "file-One-a.png", data: PNG}], points(...odd))]).toEqual([]);
        for (const v of [null, 1, [], {}, {mapping: []}, {mapping: {a: null, b: {message: {content: {parts: 1}}}}}]) expect([...await find([], v)]).toEqual([]);
    });
});
