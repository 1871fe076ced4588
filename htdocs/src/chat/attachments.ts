/** Images and text files that go along with a question. */
import {getFile} from "../conversations/db";
import type {Attachment, StoredFile} from "../conversations/types";
import {newId} from "../ui/id";
import type {Files} from "./request";

export const IMAGE_MAX = 20 * 1024 * 1024;
export const TEXT_MAX = 1024 * 1024;
/** An image is made smaller until it fits: models see no more, and the gateway's limit of a request is not hit. */
const SIDE_MAX = 2048;
const SMALL = 1024 * 1024;
const IMAGE_TYPES = ["image/png", "image/jpeg", "image/webp", "image/gif"];

export type Refusal = "too-large" | "not-image" | "not-text" | "empty";
export interface Taken {
    file: Attachment;
    blob: Blob;
}

/** Throws where the browser cannot read it. */
async function shrink(blob: Blob): Promise<Blob> {
    const picture = await createImageBitmap(blob);
    try {
        if (blob.size <= SMALL && (blob.type === "image/png" || blob.type === "image/jpeg")) return blob;
        const scale = Math.min(1, SIDE_MAX / Math.max(picture.width, picture.height));
        const canvas = document.createElement("canvas");
        canvas.width = Math.max(1, Math.round(picture.width * scale));
        canvas.height = Math.max(1, Math.round(picture.height * scale));
        canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
        const type = blob.type === "image/png" && blob.size <= SMALL ? "image/png" : "image/jpeg";
        const out = await new Promise<Blob | null>((done) => canvas.toBlob(done, type, 0.88));
        return out ?? blob;
    } finally {
        picture.close();
    }
}

/** Text: UTF-8 without NUL. */
async function isText(blob: Blob): Promise<boolean> {
    try {
        return !new TextDecoder("utf-8", {fatal: true}).decode(await blob.arrayBuffer()).includes("\0");
    } catch {
        return false;
    }
}

/** One file that a person gave; or why it is not taken. */
export async function takeFile(f: File): Promise<Taken | Refusal> {
    if (f.size === 0) return "empty";
    const image = f.type.startsWith("image/") && f.type !== "image/svg+xml";
    if (image) {
        if (f.size > IMAGE_MAX) return "too-large";
        if (!IMAGE_TYPES.includes(f.type)) return "not-image";
        try {
            const blob = await shrink(f);
            return {file: {id: newId(), name: f.name || "image", type: blob.type, size: blob.size, kind: "image"}, blob};
        } catch {
            return "not-image";
        }
    }
    if (f.size > TEXT_MAX) return "too-large";
    if (!(await isText(f))) return "not-text";
    return {file: {id: newId(), name: f.name || "text.txt", type: f.type || "text/plain", size: f.size, kind: "text"}, blob: f};
}

/** Of this page, for browsers that let us keep nothing. */
const recent = new Map<string, Blob>();

/** An attachment's content; undefined: it is gone. */
export async function contentOf(id: string): Promise<Blob | undefined> {
    const kept = await getFile(id).catch(() => undefined);
    return kept?.blob ?? recent.get(id);
}

/** What was taken, for a message and for the database; its conversation is filled in when it is sent. */
export function stored(taken: Taken[]): {files: Attachment[]; stored: StoredFile[]} {
    for (const x of taken) recent.set(x.file.id, x.blob);
    return {files: taken.map((x) => x.file), stored: taken.map((x) => ({id: x.file.id, conversation: "", blob: x.blob}))};
}

function asDataUrl(blob: Blob): Promise<string> {
    return new Promise((done, fail) => {
        const r = new FileReader();
        r.onload = () => done(String(r.result));
        r.onerror = () => fail(r.error ?? new Error("the file cannot be read"));
        r.readAsDataURL(blob);
    });
}

export const filesFor: Files = {
    dataUrl: async (id) => {
        const blob = await contentOf(id);
        return blob && asDataUrl(blob);
    },
    text: async (id) => (await contentOf(id))?.text(),
};
