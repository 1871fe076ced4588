import "./ui/base.css";
import "./app/app.css";
import "./chat/chat.css";
import "./conversations/sidebar.css";
import {effect} from "@preact/signals";
import {render} from "preact";
import {config, loadConfig} from "./api/config";
import {App} from "./app/App";
import {startKeys} from "./app/keys";
import {startRoute} from "./app/route";
import {box} from "./chat/Composer";
import {startAnnouncing} from "./chat/announce";
import {current, start} from "./conversations/store";
import {firstWords, t} from "./i18n";
import {start as startModels} from "./models/store";
import {startTheme} from "./settings/theme";
import {keepFocus} from "./ui/focus";

const DRAW_MS = 600;

startTheme();
startRoute();
startKeys();
startAnnouncing();
keepFocus(() => document.querySelector<HTMLElement>("dialog[open]") ?? (box.peek()?.isConnected ? box.peek() : document.querySelector<HTMLElement>(".main")));
effect(() => {
    const name = config.value.title ?? t("app.title");
    document.title = current.value.title ? `${current.value.title} – ${name}` : name;
});
const root = document.getElementById("app");
const draw = () => root && render(<App />, root);
// Neither in English nor empty for a moment; but a slow network or disk keeps nobody waiting.
void Promise.race([Promise.all([firstWords, start()]), new Promise((done) => setTimeout(done, DRAW_MS))]).then(draw);
void loadConfig().then(() => void startModels());
