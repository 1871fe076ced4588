import {beforeName, pieces, plain, shortName} from "./list";
import "./model.css";

const breaking = (name: string) => pieces(name).flatMap((x, i) => (i === 0 ? [x] : [<wbr key={i} />, x]));

/** A model's name: what stands before the last slash quieter, and breaks where people would break it. */
export function Name({id: told, short}: {id: string; short?: boolean}) {
    const id = plain(told);
    const before = beforeName(id);
    return (
        <bdi class="model-name">
            {before && !short && <span class="model-before">{breaking(before)}</span>}
            {before && !short && <wbr />}
            <span class="model-last">{short ? shortName(id) : breaking(shortName(id))}</span>
        </bdi>
    );
}
