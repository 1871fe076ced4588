/** What people call the languages of code. */
const names = new Map<string, string>(
    Object.entries({
        "C": "c h", "C++": "cpp c++ cc hpp cxx", "C#": "cs csharp c#", "CSS": "css", "Dart": "dart", "Diff": "diff patch",
        "Dockerfile": "dockerfile docker", "Elixir": "elixir", "Go": "go golang", "GraphQL": "graphql gql", "Haskell": "haskell hs",
        "HTML": "html htm xhtml", "INI": "ini", "Java": "java", "JavaScript": "js javascript mjs cjs", "JSON": "json jsonc json5", "JSX": "jsx",
        "Kotlin": "kotlin kt kts", "LaTeX": "latex tex", "Less": "less", "Lua": "lua", "Makefile": "makefile make mk",
        "Markdown": "markdown md", "Objective-C": "objectivec objc", "Perl": "perl pl", "PHP": "php", "PowerShell": "powershell ps1",
        "Python": "python py python3", "R": "r", "Ruby": "ruby rb", "Rust": "rust rs", "Scala": "scala", "SCSS": "scss sass",
        "Shell": "bash sh shell zsh console shellsession", "SQL": "sql mysql postgresql sqlite", "Swift": "swift", "TOML": "toml",
        "TypeScript": "ts typescript", "TSX": "tsx", "XML": "xml svg", "YAML": "yaml yml",
    }).flatMap(([name, words]) => words.split(" ").map((word) => [word, name] as const)),
);

/** The first word behind the fence: ```python title="x" */
export const languageOf = (info: string): string => /^[^\s{:,;]+/.exec(info)?.[0].toLowerCase().slice(0, 40) ?? "";

/** Its name; a word that we do not know is shown as it is, without what would turn the line around. */
export const languageName = (language: string): string =>
    names.get(language) ?? language.replace(/[^\p{L}\p{N}+#./_-]/gu, "").slice(0, 24);
