import {Trouble, fromFetch} from "./trouble";

/** A body's text as it comes, cut anywhere. Throws a Trouble, also after a silence of so many ms, or signal's AbortError. */
export async function* pieces(body: ReadableStream<Uint8Array>, silence: number, signal: AbortSignal): AsyncGenerator<string> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    const stop = () => void reader.cancel().catch(() => undefined);
    signal.addEventListener("abort", stop, {once: true});
    try {
        for (;;) {
            let timer: ReturnType<typeof setTimeout> | undefined;
            const late = new Promise<never>((_, reject) => {
                timer = setTimeout(() => reject(new Trouble("timeout")), silence);
            });
            const part = await Promise.race([reader.read(), late]).finally(() => clearTimeout(timer));
            signal.throwIfAborted();
            if (part.done) return;
            yield decoder.decode(part.value, {stream: true});
        }
    } catch (e) {
        signal.throwIfAborted();
        throw fromFetch(e);
    } finally {
        signal.removeEventListener("abort", stop);
        stop();
    }
}
