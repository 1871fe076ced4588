import "./settings.css";
import {useSignal} from "@preact/signals";
import {config} from "../api/config";
import {helpOpen} from "../app/Help";
import {languages, locale, t} from "../i18n";
import {Button} from "../ui/Button";
import {Dialog} from "../ui/Dialog";
import {Segments} from "../ui/Segments";
import {DataSection} from "./DataSection";
import {Row, Switch} from "./Row";
import {enterSends, language, showStats, theme} from "./prefs";
import {settingsOpen} from "./Settings";

function Appearance() {
    const auto = languages[locale.value]?.name ?? "";
    return (
        <section>
            <h3>{t("set.appearance")}</h3>
            <Row label={t("set.theme")}>
                <Segments label={t("set.theme")} value={theme.value} onChange={(v) => (theme.value = v)} options={[
                    {value: "system", label: t("set.theme.system"), icon: "screen"},
                    {value: "light", label: t("set.theme.light"), icon: "sun"},
                    {value: "dark", label: t("set.theme.dark"), icon: "moon"},
                ]} />
            </Row>
            <Row label={t("set.language")} id="set-language">
                <select class="input" id="set-language" value={language.value} onChange={(e) => (language.value = e.currentTarget.value)}>
                    <option value="">{language.value === "" ? t("set.language.auto", {name: auto}) : t("set.language.browser")}</option>
                    {Object.entries(languages).map(([code, l]) => (
                        <option key={code} value={code} lang={code}>{l.name}</option>
                    ))}
                </select>
            </Row>
        </section>
    );
}

function Writing() {
    return (
        <section>
            <h3>{t("set.writing")}</h3>
            <Row label={t("set.enter")} hint={t("set.enter.hint")} id="set-enter">
                <Switch id="set-enter" hint checked={enterSends.value} onChange={(on) => (enterSends.value = on)} />
            </Row>
            <Row label={t("set.stats")} hint={t("set.stats.hint")} id="set-stats">
                <Switch id="set-stats" hint checked={showStats.value} onChange={(on) => (showStats.value = on)} />
            </Row>
        </section>
    );
}

function About() {
    const links = config.value.links ?? [];
    return (
        <section>
            <h3>{t("set.about")}</h3>
            <p class="quiet-text">{t("set.about.text")}</p>
            {links.length > 0 && (
                <ul class="set-links">
                    {links.map((l) => (
                        <li key={l.url}><a href={l.url} target="_blank" rel="noopener noreferrer">{l.label}</a></li>
                    ))}
                </ul>
            )}
            <div class="set-foot">
                <Button kind="plain" icon="keyboard" onClick={() => {
                    settingsOpen.value = false;
                    helpOpen.value = true;
                }}>{t("set.keys")}</Button>
                {__VERSION__ && <span class="quiet-text">mod_dgon · {t("set.version", {version: __VERSION__})}</span>}
            </div>
        </section>
    );
}

export function SettingsDialog() {
    const busy = useSignal(false);
    return (
        <Dialog title={t("set.title")} onClose={() => (settingsOpen.value = false)}>
            <div class="set">
                <Appearance />
                <Writing />
                <DataSection busy={busy} />
                <About />
            </div>
        </Dialog>
    );
}
