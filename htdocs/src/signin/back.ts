export const BACK = "dgon.back";

/** Where this tab came from, if it is the chat page beside here; undefined: from nowhere. Asked once. */
export function backFrom(here: string): string | undefined {
    try {
        const from = sessionStorage.getItem(BACK);
        sessionStorage.removeItem(BACK);
        if (!from) return undefined;
        const to = new URL(from);
        const page = new URL(".", here);
        return to.origin === page.origin && new URL(".", to).pathname === page.pathname && !to.pathname.endsWith("/signin.html") ? to.href : undefined;
    } catch {
        return undefined;
    }
}
