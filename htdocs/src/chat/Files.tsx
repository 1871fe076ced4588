/** What was sent along with a question, and the pictures of an answer from elsewhere. */
import {useEffect, useRef, useState} from "preact/hooks";
import type {Attachment} from "../conversations/types";
import {bytes, t} from "../i18n";
import {Icon} from "../ui/Icon";
import {Dialog} from "../ui/Dialog";
import {contentOf} from "./attachments";

/** An image of the database; an object URL lives as long as it is shown. */
function Picture({file, large}: {file: Attachment; large?: boolean}) {
    const ref = useRef<HTMLImageElement>(null);
    const [gone, setGone] = useState(false);
    useEffect(() => {
        let url = "";
        let here = true;
        void contentOf(file.id).then((blob) => {
            if (!here) return;
            if (!blob) return setGone(true);
            url = URL.createObjectURL(blob);
            if (ref.current) ref.current.src = url;
        });
        return () => {
            here = false;
            if (url) URL.revokeObjectURL(url);
        };
    }, [file.id]);
    if (gone) return <span class="quiet-text">{t("files.gone")}</span>;
    return <img ref={ref} alt={file.name} class={large ? "picture-large" : "picture"} />;
}

export function Files({files}: {files: Attachment[]}) {
    const [open, setOpen] = useState<Attachment | null>(null);
    if (files.length === 0) return null;
    return (
        <ul class="files">
            {files.map((f) => (
                <li key={f.id}>
                    {f.kind === "image" ? (
                        <button type="button" class="picture-button" aria-label={t("files.show", {name: f.name})} onClick={() => setOpen(f)}>
                            <Picture file={f} />
                        </button>
                    ) : (
                        <span class="chip">
                            <Icon name="file" />
                            <bdi>{f.name}</bdi>
                            <span class="quiet-text">{bytes(f.size)}</span>
                        </span>
                    )}
                </li>
            ))}
            {open && (
                <Dialog title={open.name} wide onClose={() => setOpen(null)}>
                    <Picture file={open} large />
                </Dialog>
            )}
        </ul>
    );
}
