"""A certificate authority for one test, and what it signs."""

import datetime
import pathlib
import subprocess


def openssl(*args, cwd=None):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, cwd=cwd)


class Authority:
    def __init__(self, home, name="tests"):
        self.dir = pathlib.Path(home)
        self.dir.mkdir(parents=True)
        self.crt, self.key, self.crl = self.dir / "ca.crt", self.dir / "ca.key", self.dir / "ca.crl"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 2, "-subj", f"/CN={name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.crt)
        (self.dir / "index").touch()
        (self.dir / "serial").write_text("1000\n")
        (self.dir / "conf").write_text(
            "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\ncertificate=ca.crt\nprivate_key=ca.key\ndefault_md=sha256\n"
            "default_days=2\ndefault_crl_days=2\npolicy=p\nunique_subject=no\ncopy_extensions=copy\n[p]\ncommonName=supplied\n")
        self.renew_crl()

    def renew_crl(self):
        openssl("ca", "-config", "conf", "-gencrl", "-out", "ca.crl", cwd=self.dir)

    def sign(self, name, names=(), days=(-1, 1)):
        """name.crt and name.key; names: what a server is called; days: from and to, counted from now."""
        options = ["-addext", "subjectAltName=" + ",".join(names)] if names else []
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", *options,
                "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=self.dir)
        first, last = ((datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=d)).strftime("%Y%m%d%H%M%SZ") for d in days)
        openssl("ca", "-config", "conf", "-batch", "-notext", "-startdate", first, "-enddate", last, "-in", f"{name}.csr", "-out", f"{name}.crt",
                cwd=self.dir)
        return self.dir / f"{name}.crt", self.dir / f"{name}.key"

    def revoke(self, name):
        openssl("ca", "-config", "conf", "-revoke", f"{name}.crt", cwd=self.dir)
        self.renew_crl()
