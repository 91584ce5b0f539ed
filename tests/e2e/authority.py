"""A certificate authority for tests."""

import os
import subprocess

import harness as h


def openssl(*args):
    subprocess.run([h.need("openssl"), *args], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


class Authority:
    """Makes certificates as a company's own authority would."""

    def __init__(self, w):
        self.dir = w.path("ca")
        os.makedirs(self.dir)
        self.cert, self.key = self.new_key("ca"), self.path("ca.key")
        openssl("req", "-x509", "-new", "-key", self.key, "-subj", "/CN=test authority", "-days", "2",
                "-out", self.cert)

    def path(self, name):
        return os.path.join(self.dir, name)

    def new_key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(name + ".key"))
        return self.path(name + ".pem")

    def sign(self, name, san, days="2", key=None):
        """(certificate, key)"""
        cert = self.path(name + ".pem") if key else self.new_key(name)
        key = key or self.path(name + ".key")
        with open(self.path("ext"), "w") as f:
            f.write(f"subjectAltName={san}")
        openssl("req", "-new", "-key", key, "-subj", "/CN=" + name, "-out", self.path("csr"))
        openssl("x509", "-req", "-in", self.path("csr"), "-CA", self.cert, "-CAkey", self.key, "-days", days,
                "-extfile", self.path("ext"), "-out", cert)
        return cert, key
