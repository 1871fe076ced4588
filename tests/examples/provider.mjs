// An OpenID Connect provider (npm oidc-provider) with a login page of its own. Argument: what to be, as JSON.
import crypto from "node:crypto";
import fs from "node:fs";
import https from "node:https";
import { errors, Provider } from "oidc-provider";

const { port, cert, key, keys, back, api, people, programs } = JSON.parse(process.argv[2]);

if (!fs.existsSync(keys)) {
    const pair = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
    fs.writeFileSync(keys, JSON.stringify({ ...pair.privateKey.export({ format: "jwk" }), kid: "first", use: "sig", alg: "RS256" }));
}

const groupsOf = (id) => (people[id] ?? programs[id])?.groups ?? [];
const provider = new Provider(`https://localhost:${port}`, {
    jwks: { keys: [JSON.parse(fs.readFileSync(keys))] },
    cookies: { keys: ["a key for tests"] },
    clients: [
        { client_id: "gateway", client_secret: back.secret, redirect_uris: [back.url], grant_types: ["authorization_code"] },
        ...Object.entries(programs).map(([client_id, p]) => ({
            client_id, client_secret: p.secret, redirect_uris: [], response_types: [], grant_types: ["client_credentials"] })),
    ],
    claims: { openid: ["sub"], groups: ["groups"] },
    conformIdTokenClaims: false,
    findAccount: (ctx, id) => ({ accountId: id, claims: () => ({ sub: id, groups: groupsOf(id) }) }),
    loadExistingGrant: async (ctx) => { // nobody is asked whether the gateway may know who logs in
        const grant = new ctx.oidc.provider.Grant({ clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId });
        grant.addOIDCScope("openid groups");
        await grant.save();
        return grant;
    },
    extraTokenClaims: (ctx, token) => ({ groups: groupsOf(token.accountId ?? token.clientId) }),
    features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        resourceIndicators: {
            enabled: true,
            defaultResource: (ctx) => (ctx.oidc.client.clientId in programs ? api : undefined),
            getResourceServerInfo: (ctx, resource, client) => ({
                audience: resource, scope: "", accessTokenFormat: "jwt", accessTokenTTL: programs[client.clientId]?.seconds ?? 600 }),
        },
    },
    interactions: { url: (ctx, interaction) => `/login/${interaction.uid}` },
    ttl: { Session: 3600, Interaction: 600, Grant: 3600, IdToken: 600, AccessToken: 600 },
});

const form = "<!doctype html><title>login</title><form method=post><input name=user><input name=password type=password><button>in</button></form>";
async function login(request, response) {
    await provider.interactionDetails(request, response); // whose login this is: throws for a strange address
    if (request.method === "GET") return response.writeHead(200, { "content-type": "text/html" }).end(form);
    let body = "";
    for await (const part of request) body += part;
    const { user, password } = Object.fromEntries(new URLSearchParams(body));
    if (people[user]?.password !== password) return response.writeHead(401, { "content-type": "text/html" }).end(form);
    return provider.interactionFinished(request, response, { login: { accountId: user } });
}

const others = provider.callback();
const server = https.createServer({ cert: fs.readFileSync(cert), key: fs.readFileSync(key) }, (request, response) => {
    if (!request.url.startsWith("/login/")) return others(request, response);
    login(request, response).catch((e) => response.writeHead(e instanceof errors.OIDCProviderError ? 400 : 500).end());
});
server.listen(port, "127.0.0.1");
