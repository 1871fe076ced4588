/** A branch of a conversation as the request that asks for its next message. Pure but for the files. */
import type {Conversation, Message} from "../conversations/types";

type Part = {type: "text"; text: string} | {type: "image_url"; image_url: {url: string}};

/** dataUrl and text read an attachment; it may be gone from the database, then it is left out. */
export interface Files {
    dataUrl(id: string): Promise<string | undefined>;
    text(id: string): Promise<string | undefined>;
}

async function userContent(m: Message, files: Files): Promise<string | Part[]> {
    let text = m.text;
    for (const f of m.files.filter((x) => x.kind === "text")) {
        const content = await files.text(f.id);
        if (content !== undefined) text += `${text ? "\n\n" : ""}File ${f.name}:\n\`\`\`\n${content}\n\`\`\``;
    }
    const images = m.files.filter((x) => x.kind === "image");
    if (images.length === 0) return text;
    const parts: Part[] = text ? [{type: "text", text}] : [];
    for (const f of images) {
        const url = await files.dataUrl(f.id);
        if (url) parts.push({type: "image_url", image_url: {url}});
    }
    return parts;
}

/** What nobody answered, or was answered with nothing, is not told to the model again. */
const says = (m: Message) => m.role === "user" || m.text !== "";

export async function chatRequest(c: Conversation, model: string, path: Message[], files: Files): Promise<Record<string, unknown>> {
    const list: unknown[] = [];
    if (c.system.trim()) list.push({role: "system", content: c.system});
    for (const m of path.filter(says)) {
        list.push({role: m.role, content: m.role === "user" ? await userContent(m, files) : m.text});
    }
    return {model, messages: list, ...c.params};
}
