/** Conversations to files and back: what buttons call. The work itself is loaded when it is asked for. */
import {t} from "../i18n";
import {toast} from "../ui/toasts";

type Transfer = typeof import("./transfer");

async function work<T>(run: (x: Transfer) => Promise<T>): Promise<T | undefined> {
    let x: Transfer;
    try {
        x = await import("./transfer");
    } catch {
        toast(t("app.loadFailed")); // the network or the login is gone
        return undefined;
    }
    try {
        return await run(x);
    } catch (e) {
        console.error(e);
        toast(t("file.failed"));
        return undefined;
    }
}

/** Every conversation with its attachments, and the presets, as one file of our own form. */
export const exportAll = (): Promise<void> => work((x) => x.exportAll());
/** One conversation in our own form, to be imported elsewhere. */
export const exportOne = (id: string): Promise<void> => work((x) => x.exportOne(id));
/** One conversation as Markdown, for people: shared where the system can, else a file. */
export const shareOne = (id: string): Promise<void> => work((x) => x.shareOne(id));
/** Tells by a toast what came of it, and returns the same words. */
export const importFiles = (files: Iterable<File>): Promise<string | undefined> => work((x) => x.importFiles(files));
