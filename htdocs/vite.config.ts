import {readFileSync} from "node:fs";
import {defineConfig} from "vitest/config";

/** The module's own version, which the page shows. */
function version(): string {
    try {
        return /AC_INIT\(\[mod_dgon\], \[([^\]]+)\]/.exec(readFileSync(new URL("../configure.ac", import.meta.url), "utf8"))?.[1] ?? "";
    } catch {
        return "";
    }
}

// base "./": the page works below any prefix. Names carry a hash, so that they may be kept for ever.
export default defineConfig({
    base: "./",
    define: {__VERSION__: JSON.stringify(version())},
    build: {
        outDir: "dist",
        target: "es2022",
        assetsInlineLimit: 0, // nothing as data: or inline, the policy forbids it
        modulePreload: {polyfill: false},
        reportCompressedSize: false,
        rollupOptions: {input: ["index.html", "signin.html"]},
    },
    test: {environment: "jsdom", include: ["test/**/*.test.ts"], setupFiles: ["test/setup.ts"], testTimeout: 20_000},
});
