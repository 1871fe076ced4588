"""A private OpenLDAP server."""

import os
import shutil
import subprocess

import env
from beside import Beside, kernel_port

BASE = "dc=example,dc=org"
MANAGER = ("-D", f"cn=manager,{BASE}", "-w", "manager")


def ldif(people, groups, reader):
    entries = [f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: example\ndc: example"]
    entries += [f"dn: ou={ou},{BASE}\nobjectClass: organizationalUnit\nou: {ou}" for ou in ("people", "groups")]
    entries.append(f"dn: cn=httpd,{BASE}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: httpd\nuserPassword: {reader}")
    entries += [f"dn: uid={u},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {u}\ncn: {u}\nsn: {u}\nuserPassword: {p}" for u, p in people.items()]
    entries += [f"dn: cn={g},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {g}\n" + "\n".join(f"member: uid={u},ou=people,{BASE}" for u in members)
                for g, members in groups.items()]
    return "\n\n".join(entries) + "\n"


class Directory(Beside):
    """authority: it signs the server's certificate (None: no TLS); reader: the password of cn=httpd, who may search."""

    def __init__(self, home, authority, people, groups, reader):
        self.home = home / "slapd"
        (self.home / "data").mkdir(parents=True)
        tls = ""
        if authority:
            crt, key = authority.sign("ldap", ("DNS:localhost", "IP:127.0.0.1"))
            tls = f"TLSCACertificateFile {authority.crt}\nTLSCertificateFile {crt}\nTLSCertificateKeyFile {key}\n"
        self.conf = self.home / "slapd.conf"
        self.conf.write_text(
            "".join(f"include /etc/ldap/schema/{s}.schema\n" for s in ("core", "cosine", "inetorgperson"))
            + f"modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {self.home}/pid\nargsfile {self.home}/args\n"
            + tls + f"database mdb\nsuffix {BASE}\ndirectory {self.home}/data\nmaxsize 10485760\ndbnosync\n"
            + f"rootdn {MANAGER[1]}\nrootpw {MANAGER[3]}\n"
            + "access to attrs=userPassword by anonymous auth by * none\n"
            + f'access to * by dn.exact="cn=httpd,{BASE}" read by * none\n')
        self.program = shutil.which("slapd", path=os.environ["PATH"] + ":/usr/sbin")
        subprocess.run([self.program, "-T", "add", "-f", self.conf], input=ldif(people, groups, reader), text=True, check=True, capture_output=True)
        self.port = kernel_port()

    def start(self):
        # -d keeps it in the foreground; level 0 says nothing.
        self.server = env.Server("slapd", [self.program, "-d", "0", "-f", self.conf, "-h", f"ldap://127.0.0.1:{self.port}"], self.home / "slapd.log")
        env.wait_for(lambda: env.listening(self.port), 10, "listening slapd")
        return self

    def delete(self, user):
        subprocess.run(["ldapdelete", "-x", "-H", f"ldap://127.0.0.1:{self.port}", *MANAGER, f"uid={user},ou=people,{BASE}"],
                       check=True, capture_output=True, env=env.environment())
