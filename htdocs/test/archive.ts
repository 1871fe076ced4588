import {crc32, deflateRawSync} from "node:zlib";

export interface Member {
    name: string;
    data: string | Uint8Array;
    stored?: boolean;
    /** What the archive says of it, where that is not so. */
    lie?: {size?: number; packed?: number; at?: number; method?: number; flags?: number};
    zip64?: boolean;
}

function bytes(...fields: [number, number | bigint][]): Buffer {
    const out = Buffer.alloc(fields.reduce((n, [size]) => n + size, 0));
    let at = 0;
    for (const [size, v] of fields) {
        if (size === 8) out.writeBigUInt64LE(BigInt(v), at);
        else out.writeUIntLE(Number(v), at, size);
        at += size;
    }
    return out;
}

/** An archive as zip programs write it. */
export function zip(members: Member[], comment = "", zip64 = false): Uint8Array {
    const parts: Buffer[] = [];
    const heads: Buffer[] = [];
    let at = 0;
    for (const m of members) {
        const data = Buffer.from(m.data);
        const packed = m.stored ? data : deflateRawSync(data);
        const name = Buffer.from(m.name);
        const told = {size: data.length, packed: packed.length, at, method: m.stored ? 0 : 8, flags: 0x800, ...m.lie};
        const extra = m.zip64 ? bytes([2, 0x5455], [2, 1], [1, 0], [2, 1], [2, 24], [8, told.size], [8, told.packed], [8, told.at]) : Buffer.alloc(0);
        const [size, packedSize, from] = m.zip64 ? [0xffffffff, 0xffffffff, 0xffffffff] : [told.size, told.packed, told.at];
        const local = bytes([4, 0x04034b50], [2, 20], [2, told.flags], [2, told.method], [4, 0], [4, crc32(data)], [4, packedSize], [4, size], [2, name.length], [2, 4]);
        parts.push(local, name, bytes([2, 0x4444], [2, 0]), packed);
        at += local.length + name.length + 4 + packed.length;
        heads.push(bytes([4, 0x02014b50], [2, 20], [2, 20], [2, told.flags], [2, told.method], [4, 0], [4, crc32(data)], [4, packedSize], [4, size],
            [2, name.length], [2, extra.length], [2, 0], [2, 0], [2, 0], [4, 0], [4, from]), name, extra);
    }
    const directory = Buffer.concat(heads);
    const n = members.length;
    const end64 = zip64
        ? [bytes([4, 0x06064b50], [8, 44], [2, 45], [2, 45], [4, 0], [4, 0], [8, n], [8, n], [8, directory.length], [8, at]),
            bytes([4, 0x07064b50], [4, 0], [8, at + directory.length], [4, 1])]
        : [];
    const [count, length, from] = zip64 ? [0xffff, 0xffffffff, 0xffffffff] : [n, directory.length, at];
    const end = bytes([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, length], [4, from], [2, comment.length]);
    return Buffer.concat([...parts, directory, ...end64, end, Buffer.from(comment)]);
}
