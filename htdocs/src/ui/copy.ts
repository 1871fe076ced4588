/** Copies text; by the old way where the page is served over plain http, which has no clipboard. */
export async function copyText(text: string): Promise<boolean> {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        const box = document.createElement("textarea");
        box.value = text;
        box.className = "unseen";
        document.body.append(box);
        box.select();
        const good = document.execCommand("copy");
        box.remove();
        return good;
    }
}
