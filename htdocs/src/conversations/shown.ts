/** Is the list of conversations shown? On a wide window that is a choice which is kept; on a narrow one it lies over the page,
 *  and goes when something was chosen. */
import {computed, signal} from "@preact/signals";
import {sidebarOpen} from "../settings/prefs";

const query = matchMedia("(max-width: 800px)");
const narrow = signal(query.matches);
const over = signal(false);
query.addEventListener("change", () => {
    narrow.value = query.matches;
    over.value = false;
});

export const listShown = computed(() => (narrow.value ? over.value : sidebarOpen.value));
export function showList(yes: boolean): void {
    (narrow.peek() ? over : sidebarOpen).value = yes;
}
/** Something was chosen from it. */
export function leaveList(): void {
    over.value = false;
}
