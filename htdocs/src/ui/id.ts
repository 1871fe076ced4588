/** A random name, 22 characters. crypto.randomUUID is missing on plain http. */
export function newId(): string {
    const b = crypto.getRandomValues(new Uint8Array(16));
    return btoa(String.fromCharCode(...b)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}
