"""DgonBearerProvider with httpd's own providers behind it, each with the real thing: a file, a DBM file, SQLite, OpenLDAP."""

import sqlite3
import subprocess
import time

import httpx
import pytest

import directory
import env
import keyring

CACHE, LDAP_CACHE = 2, 1  # s: DgonBearerCache's default, and LDAPCacheTTL below
READER = "canary-reader-81"
STORES = ("file", "dbm", "dbd", "ldap")
ASK = {"model": "fault", "messages": [{"role": "user", "content": "{}"}]}


def people(store):
    return {user: f"canary-{user}-{store}" for user in ("ada", "bob", "gone", f"only-{store}")}


def key(user, store):
    return f"{user}.{people(store)[user]}"


class Stores:
    """The same names everywhere, with another password in each."""

    def __init__(self, home):
        self.home, self.users, self.dbm, self.sqlite = home, home / "users", home / "users.dbm", home / "users.sqlite"
        self.users.write_text("".join(f"{u}:{keyring.sha(p)}\n" for u, p in people("file").items()))
        for n, (user, password) in enumerate(people("dbm").items()):
            subprocess.run(["htdbm", "-bs" if n else "-cbs", "-TSDBM", self.dbm, user, password], check=True, capture_output=True)
        with self.database() as db:
            db.execute("CREATE TABLE users (name TEXT PRIMARY KEY, password TEXT NOT NULL)")
            db.executemany("INSERT INTO users VALUES (?, ?)", ((u, keyring.sha(p)) for u, p in people("dbd").items()))
        self.ldap = directory.Directory(home, None, people("ldap"), {}, READER)
        for path in home.glob("users*"):
            path.chmod(0o644)

    def database(self):
        return sqlite3.connect(self.sqlite)

    def remove(self, store, user):
        if store == "file":
            self.users.write_text("".join(line for line in self.users.read_text().splitlines(True) if not line.startswith(f"{user}:")))
        elif store == "dbm":
            subprocess.run(["htdbm", "-x", "-TSDBM", self.dbm, user], check=True, capture_output=True)
        elif store == "dbd":
            with self.database() as db:
                assert db.execute("DELETE FROM users WHERE name = ?", (user,)).rowcount == 1
        else:
            self.ldap.delete(user)

    def conf(self):
        lines = {
            "file": f"AuthUserFile {self.users}", "dbm": f"AuthDBMType SDBM\nAuthDBMUserFile {self.dbm}",
            "dbd": 'AuthDBDUserPWQuery "SELECT password FROM users WHERE name = %s"',
            "ldap": f"AuthLDAPURL ldap://127.0.0.1:{self.ldap.port}/ou=people,{directory.BASE}?uid?one\nAuthLDAPBindDN cn=httpd,{directory.BASE}\n"
                    f"AuthLDAPBindPassword {READER}"}
        places = {store: (store, "") for store in STORES} | {
            "long": ("ldap", "DgonBearerCache 1h"), "row": ("dbm ldap", ""), "lost": ("ldap file", "DgonBearerCache 0")}
        text = keyring.modules("authn_file", "authn_dbm", "dbd", "authn_dbd", "ldap", "authnz_ldap", "authz_user")
        text += f"DBDriver sqlite3\nDBDParams {self.sqlite}\nLDAPCacheTTL {LDAP_CACHE}\nLDAPOpCacheTTL {LDAP_CACHE}\nLDAPConnectionTimeout 2\nLDAPTimeout 2\n"
        text += "LDAPRetries 1\nLDAPRetryDelay 0\n"
        for place, (providers, more) in places.items():
            text += f'<Location "/{place}/v1">\nSetHandler dgon-api\nAuthType Bearer\nAuthName {place}\nDgonBearerProvider {providers}\n'
            text += "\n".join([*(lines[p] for p in providers.split()), more, "Require valid-user\n</Location>\n"])
        return text


@pytest.fixture(scope="module")
def stores():
    stores = Stores(keyring.Keyring("test_key_providers").dir)
    stores.ldap.start()
    yield stores
    stores.ldap.stop()


@pytest.fixture(scope="module")
def stack(make_stack, stores):
    """One child: what it remembers is there for every connection."""
    s = make_stack(conf=stores.conf(), children=1, threads=32, loglevel="info")
    yield s
    text = s.gateway.log.read_text()
    assert "DGON0205" in text and "canary-" not in text


def status(http, where, secret):
    return http.get(f"/{where}/v1/models", headers=keyring.bearer(secret)).status_code


@pytest.mark.parametrize("store", STORES)
def test_in_and_out(stack, http, stores, store):
    """Who has the right password is in; who has another store's, who is not there, and who was taken out, once his answer is forgotten, is not."""
    assert status(http, store, key("ada", store)) == 200
    r = http.post(f"/{store}/v1/chat/completions", json=ASK, headers=keyring.bearer(key("ada", store)))
    assert r.status_code == 200 and r.json()["choices"]
    other = STORES[STORES.index(store) - 1]
    for bad in (key("ada", store) + "x", key("ada", other), f"nobody.{people(store)['ada']}", f"ada.{people(store)['bob']}", f"*.{people(store)['ada']}"):
        r = http.get(f"/{store}/v1/models", headers=keyring.bearer(bad))
        assert r.status_code == 401 and r.json()["error"]["code"] == "invalid_api_key", (bad, r.text)
    assert status(http, store, key("gone", store)) == 200
    stores.remove(store, "gone")
    begin, limit = time.monotonic(), CACHE + (LDAP_CACHE if store == "ldap" else 0)
    env.wait_for(lambda: status(http, store, key("gone", store)) == 401, limit + 1, "end of the user", step=0.05)
    took = time.monotonic() - begin
    print(f"{store}: out after {took:.1f} s")
    assert took > 0.5, "a yes is not remembered"
    assert status(http, store, key("ada", store)) == 200


def test_two_in_a_row(stack, http):
    """The second is asked for whom the first does not know, and for nobody else."""
    for user, store, wanted in (("only-dbm", "dbm", 200), ("only-ldap", "ldap", 200), ("ada", "dbm", 200), ("ada", "ldap", 401), ("only-file", "file", 401)):
        assert status(http, "row", key(user, store)) == wanted, (user, store)


def test_a_lost_directory(stack, http, stores):
    """500 as with httpd's own logins, and not one provider further. Who is remembered stays in at the addresses that he has used, and all come back."""
    stack.gateway.expect("LDAP")
    chat = lambda: http.post("/long/v1/chat/completions", json=ASK, headers=keyring.bearer(key("ada", "ldap"))).status_code  # noqa: E731
    assert chat() == 200
    assert status(http, "long", key("ada", "ldap")) == 200 and status(http, "lost", key("only-file", "file")) == 200
    assert status(http, "ldap", key("ada", "ldap")) == 200
    stores.ldap.stop()
    try:
        time.sleep(CACHE + LDAP_CACHE + 0.2)
        for where, secret in (("long", key("bob", "ldap")), ("ldap", key("ada", "ldap")), ("lost", key("only-file", "file"))):
            begin = time.monotonic()
            r = http.get(f"/{where}/v1/models", headers=keyring.bearer(secret))
            assert r.status_code == 500 and set(r.json()["error"]) == {"message", "type", "param", "code"}, (where, r.text)
            assert time.monotonic() - begin < 5
            assert status(http, "long", key("ada", "ldap")) == 200
        assert chat() == 200
        assert http.get("/long/v1/models/fault", headers=keyring.bearer(key("ada", "ldap"))).status_code == 500
        for store in ("file", "dbm", "dbd"):
            assert status(http, store, key("ada", store)) == 200
        assert status(http, "long", key("ada", "ldap") + "x") == 500
    finally:
        stores.ldap.start()
    for where, secret in (("long", key("bob", "ldap")), ("ldap", key("ada", "ldap")), ("lost", key("only-file", "file"))):
        assert status(http, where, secret) == 200
    assert status(http, "long", key("ada", "ldap") + "x") == 401
