/** Opens the last question for editing, by its own button; false: there is none, or an answer is being written. */
export function editLast(): boolean {
    const button = [...document.querySelectorAll<HTMLButtonElement>(".edit-button:not(:disabled)")].at(-1);
    button?.click();
    return button !== undefined;
}
