import {render} from "preact";
import {afterEach, beforeEach} from "vitest";

/** Where the tests of a file draw: new for each test. */
export let root: HTMLElement;

export function drawAnew(): void {
    beforeEach(() => {
        root = document.createElement("div");
        document.body.append(root);
    });
    afterEach(() => {
        render(null, root);
        root.remove();
    });
}
