import {running} from "../chat/generate";
import {forgetLeft} from "../conversations/left";
import {removeAll} from "../conversations/store";

/** Deletes every conversation. An answer that is being written would come back with its last word: it is stopped before. */
export async function wipe(): Promise<boolean> {
    for (const r of running.peek().values()) r.stop();
    if (running.peek().size > 0) {
        await new Promise<void>((done) => {
            const end = running.subscribe((all) => {
                if (all.size > 0) return;
                done();
                queueMicrotask(() => end());
            });
        });
    }
    forgetLeft();
    return removeAll();
}
