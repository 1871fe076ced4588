import {afterEach, describe, expect, it, vi} from "vitest";
import {signedOut} from "../src/api/request";
import {startSignIn} from "../src/app/signin";
import {BACK, backFrom} from "../src/signin/back";

describe("the way back", () => {
    const ask = (from: string | null, here = "https://h.example/chat/signin.html?t=1") => {
        sessionStorage.clear();
        if (from !== null) sessionStorage.setItem(BACK, from);
        return backFrom(here);
    };
    it("is that of the page beside it, once", () => {
        expect(ask("https://h.example/chat/#/c/1")).toBe("https://h.example/chat/#/c/1");
        expect(sessionStorage.getItem(BACK)).toBeNull();
        expect(ask(null)).toBeUndefined();
    });
    it("leads nowhere else", () => {
        for (const bad of ["https://evil.example/chat/", "https://h.example/other/", "javascript:alert(1)", "x", "https://h.example/chat/signin.html", "https://h.example/chat/../"]) {
            expect(ask(bad)).toBeUndefined();
        }
    });
});

describe("an ended login", () => {
    afterEach(() => {
        vi.unstubAllGlobals();
        signedOut.value = false;
    });
    it("is over when another window says so and the gateway answers", async () => {
        const asked: string[] = [];
        let status = 401;
        vi.stubGlobal("fetch", async (url: URL) => {
            asked.push(String(url));
            return new Response("{}", {status, headers: {"content-type": "application/json"}});
        });
        const end = startSignIn();
        const other = new BroadcastChannel("dgon-signin");
        other.postMessage("x");
        await new Promise((done) => setTimeout(done, 60));
        expect(asked).toEqual([]); // nothing is asked while the login is there
        signedOut.value = true;
        other.postMessage("x");
        await vi.waitFor(() => expect(asked).toHaveLength(1));
        expect(signedOut.value).toBe(true);
        status = 200;
        other.postMessage("x");
        await vi.waitFor(() => expect(signedOut.value).toBe(false));
        expect(asked.every((u) => u.endsWith("/v1/models"))).toBe(true);
        end();
        other.close();
    });
});
