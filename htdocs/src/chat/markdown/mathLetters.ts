/** Bold, script, double-struck letters: browsers no longer read mathvariant, the letters have code points of their own. */

interface Alphabet {
    upper: number;
    digits?: number;
    greek?: number;
    /** Letters that were in Unicode before their alphabet. */
    old?: Record<string, string>;
}

const alphabets = new Map<string, Alphabet>(
    Object.entries({
        "bold": {upper: 0x1d400, digits: 0x1d7ce, greek: 0x1d6a8},
        "italic": {upper: 0x1d434, greek: 0x1d6e2, old: {h: "ℎ"}},
        "bold-italic": {upper: 0x1d468, greek: 0x1d71c},
        "script": {
            upper: 0x1d49c, old: {B: "ℬ", E: "ℰ", F: "ℱ", H: "ℋ", I: "ℐ", L: "ℒ", M: "ℳ", R: "ℛ", e: "ℯ", g: "ℊ", o: "ℴ"},
        },
        "bold-script": {upper: 0x1d4d0},
        "fraktur": {upper: 0x1d504, old: {C: "ℭ", H: "ℌ", I: "ℑ", R: "ℜ", Z: "ℨ"}},
        "double-struck": {upper: 0x1d538, digits: 0x1d7d8, old: {C: "ℂ", H: "ℍ", N: "ℕ", P: "ℙ", Q: "ℚ", R: "ℝ", Z: "ℤ"}},
        "bold-fraktur": {upper: 0x1d56c},
        "sans-serif": {upper: 0x1d5a0, digits: 0x1d7e2},
        "bold-sans-serif": {upper: 0x1d5d4, digits: 0x1d7ec},
        "sans-serif-italic": {upper: 0x1d608},
        "sans-serif-bold-italic": {upper: 0x1d63c},
        "monospace": {upper: 0x1d670, digits: 0x1d7f6},
    } satisfies Record<string, Alphabet>),
);

function letter(c: string, a: Alphabet): string {
    const old = a.old?.[c];
    if (old) return old;
    const code = c.codePointAt(0) ?? 0;
    if (code >= 0x41 && code <= 0x5a) return String.fromCodePoint(a.upper + code - 0x41);
    if (code >= 0x61 && code <= 0x7a) return String.fromCodePoint(a.upper + 26 + code - 0x61);
    if (a.digits !== undefined && code >= 0x30 && code <= 0x39) return String.fromCodePoint(a.digits + code - 0x30);
    if (a.greek !== undefined && code >= 0x391 && code <= 0x3a9) return String.fromCodePoint(a.greek + code - 0x391);
    if (a.greek !== undefined && code >= 0x3b1 && code <= 0x3c9) return String.fromCodePoint(a.greek + 26 + code - 0x3b1);
    return c;
}

export function letters(math: Element): void {
    for (const el of math.querySelectorAll("[mathvariant]")) {
        const alphabet = alphabets.get(el.getAttribute("mathvariant") ?? "");
        if (!alphabet || el.childElementCount > 0) continue; // "normal" is the one that is read
        el.textContent = [...(el.textContent ?? "")].map((c) => letter(c, alphabet)).join("");
        el.removeAttribute("mathvariant");
    }
}
