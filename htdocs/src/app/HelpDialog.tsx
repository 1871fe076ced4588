import "./palette.css";
import {t} from "../i18n";
import {enterSends} from "../settings/prefs";
import {Dialog} from "../ui/Dialog";
import {helpOpen} from "./Help";
import {Keys} from "./Keys";
import {commands} from "./commands";

type Line = {label: string; chord: string};

function List({title, lines}: {title: string; lines: Line[]}) {
    return (
        <section class="help-list">
            <h3>{title}</h3>
            <dl>
                {lines.map((x) => (
                    <div key={x.label}>
                        <dt>{x.label}</dt>
                        <dd><Keys chord={x.chord} /></dd>
                    </div>
                ))}
            </dl>
        </section>
    );
}

export function HelpDialog() {
    const of = (group: "chat" | "page"): Line[] =>
        commands.flatMap((c) => (c.keys && c.group === group ? [{label: t(c.label), chord: c.keys}] : []));
    const enter = enterSends.value;
    return (
        <Dialog title={t("keys.title")} wide onClose={() => (helpOpen.value = false)}>
            <div class="help">
                <List title={t("keys.page")} lines={of("page")} />
                <div>
                    <List title={t("keys.box")} lines={[
                        {label: t("keys.send"), chord: enter ? "Enter" : "mod+Enter"},
                        {label: t("keys.line"), chord: enter ? "shift+Enter" : "Enter"},
                    ]} />
                    <List title={t("keys.chat")} lines={of("chat")} />
                </div>
            </div>
        </Dialog>
    );
}
