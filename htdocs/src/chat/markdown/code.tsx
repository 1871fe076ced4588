import type {ComponentChildren} from "preact";
import {useEffect, useState} from "preact/hooks";
import {t} from "../../i18n";
import {Button} from "../../ui/Button";
import {copyText} from "../../ui/copy";
import {say} from "../../ui/toasts";
import {Scroller} from "./Scroller";
import {type ChunkOfCode, useColours} from "./colours";
import type {Part} from "./highlight";
import {languageName, languageOf} from "./languages";
import {memo} from "./memo";
import "./code.css";

const COPIED_MS = 2000;

const draw = (parts: Part[]): ComponentChildren =>
    parts.map((p) => (typeof p === "string" ? p : <span class={`code-${p.kind}`}>{draw(p.parts)}</span>));

const Chunk = memo(({chunk}: {chunk: ChunkOfCode}) => <span class="code-part">{chunk.parts ? draw(chunk.parts) : chunk.text}</span>);

export function Code({text, lang}: {text: string; lang: string}) {
    const language = languageOf(lang);
    const name = languageName(language);
    const {chunks, tail, rest} = useColours(text, language);
    const [wrap, setWrap] = useState(false);
    return (
        <div class="code">
            <div class="code-head">
                <span class="code-name">{name || t("md.code")}</span>
                <Button icon="wrap" label={t("md.wrap")} aria-pressed={wrap} onClick={() => setWrap(!wrap)} />
                <CopyCode text={text} />
            </div>
            <Scroller class={wrap ? "code-body code-wrap" : "code-body"} label={name ? t("md.codeIn", {name}) : t("md.code")}>
                <pre dir="ltr">
                    <code>
                        {chunks.map((chunk, i) => <Chunk key={i} chunk={chunk} />)}
                        <span class="code-part">{tail && <Tail parts={tail} />}{rest}</span>
                    </code>
                </pre>
            </Scroller>
        </div>
    );
}

const Tail = memo(({parts}: {parts: Part[]}) => <>{draw(parts)}</>);

function CopyCode({text}: {text: string}) {
    const [copied, setCopied] = useState(false);
    useEffect(() => {
        if (!copied) return undefined;
        const timer = setTimeout(() => setCopied(false), COPIED_MS);
        return () => clearTimeout(timer);
    }, [copied]);
    const copy = async () => {
        if (!(await copyText(text))) return;
        setCopied(true);
        say(t("app.copied"));
    };
    return (
        <Button icon={copied ? "check" : "copy"} onClick={() => void copy()}>
            {t(copied ? "app.copied" : "app.copy")}
        </Button>
    );
}
