"""Files of API keys, made by dgonctl as an administrator would."""

import grp
import json
import os
import shutil
import subprocess

import env
from logins import modules, sha  # for who has a keyring and other logins besides

DGONCTL = next((p for p in (env.OBJ / "mod_dgon/ctl/.libs/dgonctl", env.OBJ / "mod_dgon/ctl/dgonctl") if p.exists()), env.OBJ / "mod_dgon/ctl/dgonctl")


def dgonctl(*args, code=0):
    out = subprocess.run([DGONCTL, *args], capture_output=True, text=True)
    assert out.returncode == code, (args, out)
    return out


class Keyring:
    def __init__(self, name):
        """An empty file that httpd's user may read, in a directory of its own."""
        self.dir = env.RUNS / f"keys-{name}"
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.path = self.dir / "keys"
        self.path.touch()
        self.own()

    def own(self, mode=0o640):
        if os.getuid() == 0:
            os.chown(self.path, 0, grp.getgrnam("www-data").gr_gid)
        self.path.chmod(mode)

    def run(self, *args, code=0):
        return dgonctl("key", *args, "--file", self.path, code=code)

    def add(self, id, **options):
        return self.run("add", id, *(word for k, v in options.items() for word in (f"--{k}", v))).stdout.strip()

    def list(self):
        return {k["id"]: k for k in json.loads(dgonctl("--json", "key", "list", "--file", self.path).stdout)}

    def edit(self, change):
        """The content replaced as dgonctl does it."""
        new = self.path.with_suffix(".edit")
        new.write_text(change(self.path.read_text()))
        shutil.copystat(self.path, new)
        if os.getuid() == 0:
            os.chown(new, 0, self.path.stat().st_gid)
        new.replace(self.path)


def bearer(key):
    return {"Authorization": f"Bearer {key}"}


def locations(path, name=""):
    """The two APIs below /key, for who has a key of that file."""
    return "".join(f'''<Location "/key{at}">
    SetHandler {handler}
    AuthType Bearer
    {f"AuthName {name}" if name else ""}
    DgonKeyFile {path}
    Require valid-user
</Location>
''' for at, handler in (("/v1", "dgon-api"), ("/api", "dgon-ollama")))
