/** Attachments as text, which is how a JSON file holds them. */
import {newId} from "../ui/id";
import {clean, str} from "./fields";
import type {Attachment} from "./types";

const ATTACHED_MAX = 20 * 1024 * 1024;
const imageTypes = ["image/png", "image/jpeg", "image/webp", "image/gif"];

export function toBase64(blob: Blob): Promise<string> {
    return new Promise((done, fail) => {
        const r = new FileReader();
        r.onload = () => done(String(r.result).replace(/^[^,]*,/, ""));
        r.onerror = () => fail(r.error ?? new Error("the file cannot be read"));
        r.readAsDataURL(blob);
    });
}

/** Base64 to bytes; undefined if it is none. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
    try {
        const raw = atob(text);
        const out = new Uint8Array(raw.length);
        for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
        return out;
    } catch {
        return undefined;
    }
}

/** An attachment with its content; undefined where it is not one that the page would have taken. */
export function attachment(name: unknown, type: unknown, kind: unknown, base64: string): {file: Attachment; blob: Blob} | undefined {
    const image = kind === "image";
    const good = image ? imageTypes.includes(str(type)) : kind === "text";
    if (!good || base64.length > (ATTACHED_MAX / 3) * 4 + 4) return undefined;
    const bytes = fromBase64(base64);
    if (!bytes || bytes.length === 0) return undefined;
    // A text's own type could be one that a browser runs: it is plain text here.
    const as = image ? str(type) : "text/plain";
    const file: Attachment = {id: newId(), name: clean(name, 200) || (image ? "image" : "text.txt"), type: as, size: bytes.length, kind: image ? "image" : "text"};
    return {file, blob: new Blob([bytes], {type: as})};
}
