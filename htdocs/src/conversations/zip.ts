/** Reads ZIP archives, as OpenAI's export is one. Only the directory and the wanted files are read, so that an archive of many
 *  gigabytes is never in memory. The browser inflates; what an archive says of itself is hostile until it is checked. */

/** More than any directory of a hundred thousand files. */
const DIRECTORY_MAX = 16 * 1024 * 1024;
const COMMENT_MAX = 65_535;
const END = 22;
const END64 = 56;
const LOCATOR = 20;
const ENTRY = 46;
const LOCAL = 30;
const STORED = 0;
const DEFLATED = 8;
const ENCRYPTED = 1;

export class ZipTrouble extends Error {
    constructor(readonly why: "damaged" | "too-large") {
        super(why);
        this.name = "ZipTrouble";
    }
}
const damaged = () => new ZipTrouble("damaged");

export interface Entry {
    name: string;
    /** How it is packed. */
    method: number;
    encrypted: boolean;
    packed: number;
    size: number;
    /** Where its own head is. */
    at: number;
}

async function view(file: Blob, from: number, length: number): Promise<DataView> {
    if (!Number.isSafeInteger(from) || from < 0 || length < 0 || from + length > file.size) throw damaged();
    return new DataView(await file.slice(from, from + length).arrayBuffer());
}

const u16 = (v: DataView, at: number): number => v.getUint16(at, true);
const u32 = (v: DataView, at: number): number => v.getUint32(at, true);
const u64 = (v: DataView, at: number): number => Number(v.getBigUint64(at, true));
const text = (v: DataView, from: number, length: number): string => new TextDecoder().decode(new Uint8Array(v.buffer, v.byteOffset + from, length));

export async function isZip(file: Blob): Promise<boolean> {
    return file.size >= END && u32(await view(file, 0, 4), 0) === 0x04034b50;
}

/** Where the directory is: it is told at the end, before a comment. */
async function directory(file: Blob): Promise<{from: number; length: number}> {
    const length = Math.min(file.size, END + COMMENT_MAX);
    const tail = await view(file, file.size - length, length);
    for (let at = length - END; at >= 0; at--) {
        if (u32(tail, at) !== 0x06054b50 || at + END + u16(tail, at + 20) !== length) continue;
        const found = {length: u32(tail, at + 12), from: u32(tail, at + 16)};
        if (found.length !== 0xffffffff && found.from !== 0xffffffff && u16(tail, at + 10) !== 0xffff) return found;
        // ZIP64: the record before it says where the large numbers are.
        const locator = await view(file, file.size - length + at - LOCATOR, LOCATOR);
        if (u32(locator, 0) !== 0x07064b50) return found;
        const end = await view(file, u64(locator, 8), END64);
        if (u32(end, 0) !== 0x06064b50) throw damaged();
        return {length: u64(end, 40), from: u64(end, 48)};
    }
    throw damaged();
}

/** The numbers that did not fit into 32 bits, in this order. */
function large(v: DataView, from: number, length: number, e: Entry): void {
    for (let at = from; at + 4 <= from + length; at += 4 + u16(v, at + 2)) {
        if (u16(v, at) !== 1) continue;
        const end = Math.min(at + 4 + u16(v, at + 2), from + length);
        let next = at + 4;
        for (const name of ["size", "packed", "at"] as const) {
            if (e[name] !== 0xffffffff || next + 8 > end) continue;
            e[name] = u64(v, next);
            next += 8;
        }
        return;
    }
}

/** Every file of the archive, without reading one. Throws a ZipTrouble. */
export async function entries(file: Blob): Promise<Entry[]> {
    const where = await directory(file);
    if (where.length > DIRECTORY_MAX) throw new ZipTrouble("too-large");
    const v = await view(file, where.from, where.length);
    const out: Entry[] = [];
    for (let at = 0; at < v.byteLength; ) {
        if (at + ENTRY > v.byteLength || u32(v, at) !== 0x02014b50) throw damaged();
        const [name, extra, comment] = [u16(v, at + 28), u16(v, at + 30), u16(v, at + 32)];
        const next = at + ENTRY + name + extra + comment;
        if (next > v.byteLength) throw damaged();
        const e: Entry = {
            name: text(v, at + ENTRY, name), method: u16(v, at + 10), encrypted: (u16(v, at + 8) & ENCRYPTED) !== 0,
            packed: u32(v, at + 20), size: u32(v, at + 24), at: u32(v, at + 42),
        };
        large(v, at + ENTRY + name, extra, e);
        out.push(e);
        at = next;
    }
    return out;
}

/** One file, of at most `most` bytes. However small the archive says it is: it is counted as it comes. Throws a ZipTrouble. */
async function* contents(file: Blob, e: Entry, most: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (e.encrypted || (e.method !== STORED && e.method !== DEFLATED)) throw damaged();
    if (e.size > most) throw new ZipTrouble("too-large");
    const head = await view(file, e.at, LOCAL);
    if (u32(head, 0) !== 0x04034b50) throw damaged();
    const from = e.at + LOCAL + u16(head, 26) + u16(head, 28);
    if (from + e.packed > file.size) throw damaged();
    const packed = file.slice(from, from + e.packed).stream();
    const reader = (e.method === STORED ? packed : packed.pipeThrough(new DecompressionStream("deflate-raw"))).getReader();
    let bytes = 0;
    try {
        for (;;) {
            const part = await reader.read();
            if (part.done) break;
            bytes += part.value.length;
            if (bytes > e.size) throw damaged();
            yield part.value;
        }
    } catch {
        throw damaged();
    } finally {
        void reader.cancel().catch(() => undefined);
    }
    if (bytes !== e.size) throw damaged();
}

export async function unpack(file: Blob, e: Entry, most: number): Promise<{text: string; bytes: number}> {
    const decoder = new TextDecoder();
    const parts: string[] = [];
    for await (const part of contents(file, e, most)) parts.push(decoder.decode(part, {stream: true}));
    parts.push(decoder.decode());
    return {text: parts.join(""), bytes: e.size};
}

export async function unpackBlob(file: Blob, e: Entry, most: number): Promise<Blob> {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of contents(file, e, most)) parts.push(part);
    return new Blob(parts);
}

export const base = (name: string): string => name.slice(name.lastIndexOf("/") + 1);

/** The files that may hold conversations: OpenAI's by their name, in one piece or several; where there is none, every JSON file. */
export function wanted(all: readonly Entry[]): Entry[] {
    const json = all.filter((e) => /^[^.].*\.json$/i.test(base(e.name)) && !e.name.startsWith("__MACOSX/"));
    const named = json.filter((e) => /^conversations([-_. ].*)?\.json$/i.test(base(e.name)));
    return named.length > 0 ? named : json;
}
