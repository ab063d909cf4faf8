# SPDX-License-Identifier: Apache-2.0
"""Throw-away certificates, made by the openssl program: a CA, a good server, an expired one, one of the future, one for
another name, one nobody vouches for."""
import subprocess
from pathlib import Path


def openssl(*args):
    subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True)


class Certificates:
    """Made once a run, in `folder`. `ca` is what a client is given; the others are (certificate, key) pairs."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True)
        self.ca, ca_key = self._self_signed("ca", "e2e CA")
        self.stranger = self._self_signed("stranger", "127.0.0.1")
        self.good = self._signed("good", self.ca, ca_key, "20200101000000Z", "20450101000000Z")
        self.expired = self._signed("expired", self.ca, ca_key, "20200101000000Z", "20200201000000Z")
        self.not_yet = self._signed("not_yet", self.ca, ca_key, "20440101000000Z", "20450101000000Z")
        self.another_host = self._signed("another_host", self.ca, ca_key, "20200101000000Z", "20450101000000Z",
                                         "DNS:payer.example")

    def _self_signed(self, name, subject):
        cert, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 3650,
                "-subj", f"/CN={subject}", "-addext", "subjectAltName=IP:127.0.0.1", "-out", cert, "-keyout", key)
        return cert, key

    def _signed(self, name, ca, ca_key, not_before, not_after, names="IP:127.0.0.1,DNS:localhost"):
        cert, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", "/CN=127.0.0.1", "-out", request, "-keyout", key)
        settings = self.folder / f"{name}.cnf"
        settings.write_text(f"[ca]\ndefault_ca = d\n[d]\nnew_certs_dir = {self.folder}\ndatabase = {settings}.db\n"
                            f"rand_serial = yes\ndefault_md = sha256\npolicy = p\nx509_extensions = x\n"
                            f"[p]\ncommonName = supplied\n[x]\nsubjectAltName = {names}\n")
        Path(f"{settings}.db").write_text("")
        openssl("ca", "-batch", "-notext", "-config", settings, "-cert", ca, "-keyfile", ca_key, "-in", request,
                "-out", cert, "-startdate", not_before, "-enddate", not_after)
        return cert, key
