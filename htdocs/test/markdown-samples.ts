/** Texts as models write them, and some that they should not. */
export const samples: string[] = [
    "# Title\n\nA paragraph with **bold**, *em*, ~~gone~~, `code` and a [link](https://a.example/ \"t\").\nSecond line.\n\n## Next\n\nText.",
    "Text\n===\n\nmore\n---\n\n---\n\n***\n",
    "- a\n- b\n  - c\n    - d\n\n      with text\n- e\n\n- now loose\n\n1. one\n2. two\n\n   ```js\n   let a = 1;\n\n   let b;\n   ```\n3. three\n\n7) seven\n\nend",
    "1. a\n\n2. b\n\n\n3. c\n10. d",
    "* a\n\n  b\n\n\n  c\n* d\n+ other list\n- third",
    "- [ ] open\n- [x] done\n  - [ ] inner `code`\n\ntext",
    "```js\nlet a;\n\n\n# not a heading\n```\n\n````md\n```\ninner\n```\n````\n\n~~~py\nx = 1\n~~~\nafter\n```\nopen to the end\n\n- x",
    "    indented\n\n    code\n\ntext\n    not code\n",
    "| a | b |\n|:--|--:|\n| 1 | **2** |\n| `x|y` | z\n\nafter\n\n|no|table|\n|text|\n\na | b\n- | -\nc | d\nend",
    "> quote\nlazy\n> - a\n>   - b\n>\n> ```\n> code\n> ```\n\n> another\n>> deeper\n> back\n\ntext",
    "See [a], [b][a] and [c].\n\n[a]: https://a.example \"A\"\n[c]: <https://c.example>\n\nEnd [a].",
    "First[^1], second[^two] and none[^3]; again[^1].\n\n[^1]: One.\n[^two]: Two\n    goes on.\n\n    ```\n    code\n    ```\n\nAfter[^two].\n\n[^unused]: never",
    "[^b] [^a]\n\n[^a]: a [^b]\n[^b]: b",
    "Inline $a+b$, \\(c_d\\) and\n\n$$\nx = \\frac{1}{2}\n- y\n+ z\n$$\n\n\\[\n\\begin{pmatrix}a & b\\\\ c & d\\end{pmatrix}\n\\]\n\ntext $$z$$ text. Prices: $5 and $10.",
    "\\begin{align}\na &= b \\\\\n  &= c\n\\end{align}\nafter\n\n$$ never closed\n\ntext $x",
    "- item\n\n  $$\n  a\n  $$\n- \\(b\\)",
    "<details open>\n<summary>More</summary>\n\n**inside** text\n\n- list\n\n<details><summary>in</summary>deep</details>\n\n</details>\n\nafter H<sub>2</sub>O <kbd>Ctrl</kbd>+<kbd>C</kbd><br>x",
    "<div align=\"center\">\n\n# Head\n\n</div>\n\n<table>\n<tr><td>a</td><td>b<br>c</td></tr>\n</table>\n\n<!-- gone\n\nall of it -->\n\n<section>\nunknown\n</section>\n\ntext </b> <u>open",
    "<pre>\na\n\nb\n</pre>\ntext\n\n<script>\n\nx\n\n</script>\ntext",
    "https://a.example/x?y=1&z=2, www.b.example and me@c.example. <https://d.example> &copy; &mdash; &#8594; &nope; \\* \\_",
    "a  \nb\\\nc\nd\n\n\n\n\ne",
    "a\r\nb\r\n\r\n- c\r\n- d\r\r\rx",
    "### Deep first\n\n# then up\n\n###### far\n\n## back",
    "مرحبا **بالعالم** `code`\n\n- עברית\n- English\n\n> العربية",
    "- a\n\n1",
    "1. a\n\n2",
    "text\n- not a rule\n\ntext\n-\n\ntext\n--\n",
    "a\n\n    \n\n  \n\nb\n \n\n- x\n\n    code?\n\n\ty\n",
    "[a]: https://a.example\n'title\ngoes on'\n\n[a]\n\n[b\nc]: /x\n\n[b c]",
    "**open bold\n\nnext** `open code\n\nnext` [open](\n\nx)",
    "![alt](https://a.example/x.png) ![d](data:image/png;base64,AAAA) [![i](x)](https://a.example)",
    "term\n: not a definition list\n\n\n***bold em***_x_ __y__ *a*b* 2*3*4",
    "- a\n- b\n- c\n- d\n\n- loose now\n- f\n- g\n  - h\n    - i\n\n  j\n- k\n\n\nend",
    "  * a\n  * b\n * c\n   * d\n* e\n\t* f\n* g\n* h\n+ other\n+ list\n+ of\n+ four",
    "Text:\n1) a\n2) b\n   ```\n   x\n   ```\n3) c\n4) d\n\n   e\n5) f\n6) g\n7. h\n8. i\n9. j",
    "Text\n2. no list\n3. yet\n\n3. a\n4. b\n5. c\n6. d",
    "- [ ] a\n- [x] b\n- c\n- [ ] d\n- [x] `e`\n- f\n\n- [ ] g\n- h\n- [x] i",
    "- a\n-\n- c\n-   d\n-\n  e\n- f\n- # g\n- > h\n  i\n- - j\n  - k\n- l\nlazy\n- m\n* * *\n- n",
    "- a\n- b[^1]\n- c\n- [^1]: d\n- e\n- f\n\n[^1]: g",
    "```\na\n```\n```js\nb\n```\n# c\n## d\n---\ne\n***\n~~~\nf\n~~~\ng\n```\nh\n```\n    i\nj",
    "$$\na\n```\nb\n```\n# c\nd\n***\n- e\n$$\n\n\\[\nx\n- y\n# z\n\\]\n# head\n\\begin{cases}\na\n- b\n- c\n- d\n- e\n\\end{cases}",
    "> - a\n> - b\n> - c\n>\n> - d\n> - e\n>\n> f\n> g\n> | a | b |\n> |---|---|\n> | 1 | 2 |\n> | 3 | 4 |\n>\n> ```\n> h\n> ```\n> i",
    "| a | b |\n|---|:-:|\n| 1 | **2** |\n| 1 | **2** |\n| x | y | z |\n| x |\n| `\\|` | [l](https://a.example) |\n| 5 | 6 |\nno row\n# end",
    "",
    "\n\n\n",
    "x",
];

const WORDS = "while the machine does what it has to do, **strong words** stand beside `code`, a [link](https://a.example/{n}) and *others*";

/** What one block is made of that is as long as a whole answer. */
export const parts: Record<string, string> = {
    "list": `- point {n} says ${WORDS}\n`,
    "loose list": `{n}. point {n} says ${WORDS}\n\n`,
    "list that was loose once": `- [ ] point {n} says ${WORDS}\n`,
    "tasks": `* [x] point {n} says ${WORDS}\n`,
    "table": `| {n} | a | ${WORDS} |\n`,
    "lines": `${WORDS} in line {n},\n`,
    "line": `${WORDS} in part {n}, `,
    "words without gaps": "漢字かな交じり文**強調**と`code`{n}",
    "sentences": "漢字かな交じり文**強調**と`code`が{n}回。",
    "quote": `> ${WORDS} in line {n},\n`,
    "quoted list": `> - point {n} says ${WORDS}\n`,
    "list in a list": `  - point {n} says ${WORDS}\n`,
    "code": "    total[{n}] = sum(value * {n} for value in values)  # part {n}\n",
    "fences": "```js\nlet part{n} = {n};\n```\n",
    "headings": "## Part {n}\n",
    "rules": "part {n}\n***\n",
};
const before: Record<string, string> = {"list that was loose once": "Text:\n- a\n\n- [x] b\n", table: "| a | b | c |\n|---|:-:|--:|\n", "list in a list": "1. begin\n", code: "```python\ndef f():\n"};

export function longBlock(kind: string, length: number): string {
    let text = before[kind] ?? "";
    for (let i = 1; text.length < length; i++) text += (parts[kind] ?? "").replaceAll("{n}", String(i));
    return text;
}
