/** Several tabs on one database: who changed what, and who is writing an answer. */

export type News =
    | {what: "conversation"; id: string} /* its record, or that it is there */
    | {what: "messages"; id: string} /* messages of conversation id */
    | {what: "dropped"; id: string};

const channel = typeof BroadcastChannel === "undefined" ? undefined : new BroadcastChannel("dgon");

export const tell = (news: News): void => channel?.postMessage(news);

export function listen(on: (news: News) => void): void {
    channel?.addEventListener("message", (e: MessageEvent<News>) => on(e.data));
}

const nameOf = (message: string) => `dgon-message-${message}`;
/** Without locks (plain http): an answer that no tab has written for so long is nobody's. */
const ORPHAN_MS = 5000;

/** Runs work as the only writer of a message; false: somebody else is. The browser gives the lock back when the tab goes, however it goes. */
export async function asWriter(message: string, work: () => Promise<void>): Promise<boolean> {
    if (navigator.locks) {
        return navigator.locks.request(nameOf(message), {ifAvailable: true}, async (lock) => {
            if (lock) await work();
            return lock !== null;
        });
    }
    await work();
    return true;
}

/** Is another tab, or this one, writing the message? touched: when it was last written. */
export async function hasWriter(message: string, touched: number): Promise<boolean> {
    if (!navigator.locks) return Date.now() - touched < ORPHAN_MS;
    const {held} = await navigator.locks.query();
    return held?.some((l) => l.name === nameOf(message)) ?? false;
}
