/** Addresses in an answer. Only what is named here becomes a link or an image; all else stays text. */

/** An address that a person may follow, as the browser understands it; "" is none. */
export function linkUrl(href: string): string {
    let url: URL;
    try {
        url = new URL(href);
    } catch {
        return ""; // relative: an answer has no place of its own in this site
    }
    if (url.protocol === "mailto:") return url.href;
    const web = url.protocol === "https:" || url.protocol === "http:";
    // https://bank.example@elsewhere.example shows one host and leads to another
    return web && url.username === "" && url.password === "" ? url.href : "";
}

const IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/;

/** An image that stands in the text itself; "" for all that would have to be fetched. */
export const imageUrl = (src: string): string => (IMAGE.test(src) ? src : "");
