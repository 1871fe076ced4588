/** What the page says of a trouble, for people. */
import type {TroubleKind} from "../api/trouble";
import type {Key} from "../i18n/en";
import {t} from "../i18n";
import type {Message} from "../conversations/types";

const keys: Record<TroubleKind, Key> = {
    offline: "trouble.offline", signin: "trouble.signin", forbidden: "trouble.forbidden", model: "trouble.model",
    "too-large": "trouble.too-large", limit: "trouble.limit", busy: "trouble.busy", timeout: "trouble.timeout",
    request: "trouble.request", server: "trouble.server", alien: "trouble.alien", cut: "trouble.cut", empty: "trouble.empty",
};

export const troubleText = (kind: TroubleKind): string => t(Object.hasOwn(keys, kind) ? keys[kind] : "trouble.server");

/** Only the server can say what was wrong with a request; of the rest its words are for those who look closer. */
export const tellsServersWords = (kind: TroubleKind): boolean => kind === "request" || kind === "model" || kind === "forbidden";

/** One line about an answer, for its foot and for screen readers. */
export function endText(m: Message): string {
    if (m.state === "stopped") return t("message.stopped");
    if (m.finish === "length") return t("message.length");
    if (m.finish === "content_filter") return t("message.filtered");
    return "";
}
