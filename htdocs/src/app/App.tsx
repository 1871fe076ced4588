import {config} from "../api/config";
import {online} from "../api/request";
import {Chat} from "../chat/Chat";
import {box} from "../chat/Composer";
import {Sidebar} from "../conversations/Sidebar";
import {listShown, showList} from "../conversations/shown";
import {storageTrouble} from "../conversations/store";
import {Fleet} from "../fleet/Fleet";
import {t} from "../i18n";
import {Picker} from "../models/Picker";
import {Panel} from "../settings/Panel";
import {Settings} from "../settings/Settings";
import {Button} from "../ui/Button";
import {Toasts} from "../ui/toasts";
import {Help} from "./Help";
import {Palette} from "./Palette";
import {SignIn} from "./signin";
import {go, view} from "./route";

function Banners() {
    const trouble = storageTrouble.value;
    return (
        <>
            {config.value.notice && <div class="notice" role="note">{config.value.notice}</div>}
            <SignIn />
            {!online.value && <div class="banner" role="status">{t("app.offline")}</div>}
            {trouble && <div class="banner" role="status">{t(trouble === "full" ? "app.full" : "app.unkept")}</div>}
        </>
    );
}

export function App() {
    return (
        <>
            {view.value === "chat" && (
                <a class="skip" href="#box" onClick={(e) => {
                    e.preventDefault();
                    box.value?.focus();
                }}>{t("app.skip")}</a>
            )}
            <div class="app">
                <Sidebar />
                {listShown.value && <button type="button" class="veil" tabIndex={-1} aria-label={t("app.close")} onClick={() => showList(false)} />}
                <main class="main" tabIndex={-1}>
                    {view.value === "chat" && <h1 class="unseen">{config.value.title ?? t("app.title")}</h1>}
                    <header class="topbar">
                        {!listShown.value && <Button icon="sidebar" label={t("list.show")} onClick={() => showList(true)} />}
                        {view.value === "chat" && <Picker />}
                        <span class="space" />
                        <Button icon="plus" label={t("app.new")} onClick={() => go("")} />
                    </header>
                    <Banners />
                    {view.value === "chat" ? <Chat /> : <Fleet />}
                </main>
            </div>
            <Settings />
            <Panel />
            <Palette />
            <Help />
            <Toasts />
        </>
    );
}
