"""The OpenID Connect provider of provider.mjs as a process."""

import base64
import hashlib
import json
import os
import pathlib
import secrets
import shutil
import subprocess
import urllib.parse
import urllib.request

import httpx2

import env
import toolbox
from served import HERE, Beside, kernel_port


def programs_home():
    """The node that runs provider.mjs, and the script beside the packages it imports."""
    run, npm = toolbox.node()
    files = [HERE / "package.json", HERE / "package-lock.json"]
    with toolbox.made("examples-node", *(f.read_text() for f in files)) as (where, missing):
        if missing:
            for f in files:
                shutil.copy(f, where)
            subprocess.run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=where, check=True, stdout=subprocess.DEVNULL,
                           env=env.environment(PATH=f"{pathlib.Path(run[0]).parent}:{os.environ['PATH']}"))
    return run, where


class LoginServer(Beside):
    """people: {name: {password, groups}}; programs: {client id: {secret, groups, seconds}}."""

    def __init__(self, site, people, programs, secret):
        self.site, self.people, self.programs, self.secret = site, people, programs, secret
        self.home = site.dir / "provider"
        self.home.mkdir()
        self.cert, self.key = site.authority.sign("login", ("DNS:localhost", "IP:127.0.0.1"))
        self.run, where = programs_home()
        (self.home / "node_modules").symlink_to(where / "node_modules")
        shutil.copy(HERE / "provider.mjs", self.home)
        self.port = kernel_port()
        self.url = f"https://localhost:{self.port}"

    def start(self):
        what = {"port": self.port, "cert": str(self.cert), "key": str(self.key), "keys": str(self.home / "keys.json"), "people": self.people,
                "programs": self.programs, "api": "https://gateway.example.org/v1",
                "back": {"secret": self.secret, "url": f"{self.site.site}/login/back"}}
        self.server = env.Server("provider", [*self.run, self.home / "provider.mjs", json.dumps(what)], self.home / "provider.log")
        env.wait_for(lambda: env.listening(self.port), 20, "listening provider")
        return self

    def token(self, program, **more):
        """An access token for a program (client credentials)."""
        body = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": program, "client_secret": self.programs[program]["secret"],
                                       **more}).encode()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self.site.context))
        with opener.open(self.url + "/token", body, timeout=10) as r:
            return self.site.secret(json.load(r)["access_token"])

    def id_token(self, person):
        """What the gateway itself gets when somebody logs in."""
        back, verifier = f"{self.site.site}/login/back", secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        with httpx2.Client(verify=self.site.context, trust_env=False) as c:
            r = c.get(self.url + "/auth", params={"client_id": "gateway", "redirect_uri": back, "response_type": "code", "scope": "openid groups",
                                                  "code_challenge": challenge, "code_challenge_method": "S256"})
            r = c.post(self.url + r.headers["location"], data={"user": person, "password": self.people[person]["password"]})
            while not (where := r.headers["location"]).startswith(back):
                r = c.get(where)
            code = urllib.parse.parse_qs(urllib.parse.urlsplit(where).query)["code"][0]
            r = c.post(self.url + "/token", auth=("gateway", self.secret), data={
                "grant_type": "authorization_code", "code": code, "redirect_uri": back, "code_verifier": verifier})
        return self.site.secret(r.json()["id_token"])
