"""httpd's own logins: a file with one user, and locations that want her."""

import base64
import contextlib
import hashlib
import pathlib
import tempfile

import env

USER = ("root", "pass")


def sha(password):
    """As htpasswd -s writes it."""
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


def modules(*names):
    where = env.modules_dir()
    return "".join(f"<IfModule !{n}_module>\nLoadModule {n}_module {where}/mod_{n}.so\n</IfModule>\n" for n in ("authn_core", *names))


def set_user(file, name, password):
    """The only user of this file, from now on: in one step, as httpd reads it at each request."""
    new = file.with_name(file.name + ".new")
    new.write_text(f"{name}:{sha(password)}\n")
    new.chmod(0o644)
    new.rename(file)


@contextlib.contextmanager
def users_file(user=USER):
    """Knows one user; httpd's children read it, as their own user, and whatever else is put into its directory."""
    with tempfile.TemporaryDirectory(prefix="dgon-users-") as place:
        file = pathlib.Path(place) / "users"
        file.parent.chmod(0o755)
        set_user(file, *user)
        yield file


def basic(users, **handlers):
    """Locations that want one of these users: basic(file, dgon_admin="/dgon/admin")."""
    return modules("authn_file", "authz_user", "auth_basic") + "".join(f'''<Location "{path}">
    SetHandler {handler.replace("_", "-")}
    AuthType Basic
    AuthName admins
    AuthBasicProvider file
    AuthUserFile "{users}"
    Require valid-user
</Location>
''' for handler, path in handlers.items())


def netrc(place):
    """A file that gives USER to dgonctl --url."""
    file = pathlib.Path(place) / "netrc"
    file.write_text(f"machine 127.0.0.1 login {USER[0]} password {USER[1]}\n")
    return file
