"""A private Kerberos realm (MIT): its KDC, tickets of people and of a server."""

import os
import shutil
import subprocess

import env
from served import HOST, kernel_port

NAME = "EXAMPLE.ORG"
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


class Realm:
    def __init__(self, home, people):
        self.home = home / "kdc"
        self.home.mkdir()
        self.port = kernel_port()
        self.conf = self.home / "krb5.conf"
        self.conf.write_text(
            f"[libdefaults]\ndefault_realm = {NAME}\ndns_lookup_kdc = false\ndns_lookup_realm = false\ndns_canonicalize_hostname = false\nrdns = false\n"
            f"clockskew = 2\nqualify_shortname = \"\"\n[realms]\n{NAME} = {{\nkdc = 127.0.0.1:{self.port}\n}}\n[domain_realm]\n.example.org = {NAME}\n")
        (self.home / "kdc.conf").write_text(
            f"[realms]\n{NAME} = {{\ndatabase_name = {self.home}/principal\nkey_stash_file = {self.home}/stash\nkdc_ports = 127.0.0.1:{self.port}\n"
            f"kdc_tcp_ports = 127.0.0.1:{self.port}\nacl_file = {self.home}/acl\n}}\n[logging]\nkdc = FILE:{self.home}/kdc.log\n")
        self.environ = {"KRB5_CONFIG": str(self.conf), "KRB5_KDC_PROFILE": str(self.home / "kdc.conf")}
        self.run("kdb5_util", "create", "-s", "-r", NAME, "-P", "canary-master-71")
        for name, password in people.items():
            self.run("kadmin.local", "-q", f"addprinc -pw {password} {name}")
        self.run("kadmin.local", "-q", f"addprinc -randkey HTTP/{HOST}")
        self.run("kadmin.local", "-q", f"ktadd -k {self.home}/http.keytab HTTP/{HOST}")
        self.run("kadmin.local", "-q", "addprinc -randkey HTTP/other.example.org")
        self.server = None

    def run(self, program, *args, text="", **more):
        return subprocess.run([shutil.which(program, path=PATH), *args], input=text, text=True, check=True, capture_output=True,
                              env=env.environment(**self.environ, **more))

    def start(self):
        self.server = env.Server("krb5kdc", [shutil.which("krb5kdc", path=PATH), "-n", "-P", self.home / "pid"], self.home / "out", self.environ)
        env.wait_for(lambda: env.listening(self.port), 10, "listening KDC")
        return self

    def ticket(self, name, password, life="10m"):
        """The file with it."""
        cache = self.home / f"ticket-{name}-{life}"
        self.run("kinit", "-l", life, "-c", f"FILE:{cache}", name, text=password + "\n")
        return cache

    def stop(self):
        if self.server:
            self.server.stop()
            self.server = None
