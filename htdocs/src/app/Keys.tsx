import {t} from "../i18n";
import {chordKeys} from "./chords";

/** A combination of keys, drawn as keys. */
export function Keys({chord}: {chord: string}) {
    return (
        <span class="chord" dir="ltr">
            {chordKeys(chord, t).map((k) => (
                <kbd key={k}>{k}</kbd>
            ))}
        </span>
    );
}
