/** An answer's Markdown. While it grows, only its last blocks are read and drawn again. */
import type {Token} from "marked";
import {useEffect, useLayoutEffect, useRef, useState} from "preact/hooks";
import {t} from "../../i18n";
import {Blocks} from "./blocks";
import {Note, notesOf} from "./notes";
import {Whole} from "./render";
import "./markdown.css";

export {renderToText} from "./text";

/** A drawing that took longer than this is followed by a rest of REST times as long: a hostile or a huge answer leaves the page its time. */
const CHEAP_MS = 8;
const REST = 4;

export function Markdown({text, streaming}: {text: string; streaming: boolean}) {
    const blocks = useRef<Blocks>(null);
    blocks.current ??= new Blocks();
    const drawn = useRef<{tokens: readonly Token[]; text: string; streaming: boolean}>({tokens: [], text: "", streaming: true});
    const restUntil = useRef(0);
    const [, again] = useState(0);

    const began = performance.now();
    const new_ = text !== drawn.current.text || streaming !== drawn.current.streaming;
    const resting = streaming && began < restUntil.current;
    if (new_ && !resting) drawn.current = {tokens: blocks.current.update(text, streaming), text, streaming};

    useLayoutEffect(() => {
        const took = performance.now() - began;
        if (new_ && !resting) restUntil.current = took > CHEAP_MS ? began + took * (1 + REST) : 0;
    });
    useEffect(() => {
        if (!new_ || !resting) return undefined;
        const timer = setTimeout(() => again((n) => n + 1), restUntil.current - performance.now());
        return () => clearTimeout(timer);
    });

    const {tokens} = drawn.current;
    const notes = notesOf(tokens);
    return (
        <div class="md">
            <Whole tokens={tokens} />
            {notes.length > 0 && (
                <ol class="md-notes" aria-label={t("md.notes")}>
                    {notes.map((n) => (
                        <Note key={n.number} number={n.number}>
                            <Whole tokens={n.tokens} />
                        </Note>
                    ))}
                </ol>
            )}
        </div>
    );
}
