# SPDX-License-Identifier: Apache-2.0
"""static_payer - nginx as a payer: a folder of NDJSON behind TLS, with the answers of an export as constants.

What is measured is then our client and nothing of our server. Files need the token. `stop()` ends the process that was
started, and no other."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

TOKEN = "bench-token"

CONF = """
daemon off; master_process off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; keepalive_timeout 65;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  types {{ application/fhir+ndjson ndjson; application/json json; }}
  gzip_static {gzip}; gzip_vary on;
  server {{
    listen 127.0.0.1:{port}{ssl}{http2};
    ssl_certificate {dir}/cert.pem; ssl_certificate_key {dir}/key.pem;
    ssl_session_cache shared:s:1m; ssl_protocols TLSv1.3;
    location = /fhir/.well-known/smart-configuration {{ default_type application/json;
      return 200 '{{"token_endpoint":"{url}/token","capabilities":["permission-v2"]}}'; }}
    location = /token {{ default_type application/json; add_header Cache-Control no-store;
      return 200 '{{"access_token":"{token}","token_type":"bearer","expires_in":3600}}'; }}
    location ~ ^/fhir/(Patient/)?\\$export$ {{ add_header Content-Location "{url}/job/1" always; return 202; }}
    location = /job/1 {{ if ($request_method = DELETE) {{ return 202; }}
      default_type application/json; alias {dir}/manifest.json; }}
    location /files/ {{ if ($http_authorization != "Bearer {token}") {{ return 401; }} alias {data}/; }}
  }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_certificate(folder):
    config = folder / "openssl.cnf"
    config.write_text("[req]\ndistinguished_name=dn\nx509_extensions=ext\nprompt=no\n[dn]\nCN=127.0.0.1\n"
                      "[ext]\nsubjectAltName=IP:127.0.0.1\nbasicConstraints=critical,CA:TRUE\n", encoding="utf-8")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-config", config, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
                   check=True, capture_output=True)


class StaticPayer:
    """`files`: names below `data`; `counts`: lines of each, or None."""

    def __init__(self, folder, data, files, gzip=False, counts=None, http2=False, tls=True):
        self.dir = Path(folder)
        shutil.rmtree(self.dir, ignore_errors=True)
        self.dir.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.fhir_url = f"{self.url}/fhir"
        self.ca = self.dir / "cert.pem"
        self.files = [f"{self.url}/files/{name}" for name in files]
        make_certificate(self.dir)
        self.write_manifest(files, counts)
        (self.dir / "nginx.conf").write_text(CONF.format(
            dir=self.dir, port=self.port, url=self.url, token=TOKEN, data=Path(data).resolve(),
            gzip="on" if gzip else "off", http2=" http2" if http2 else "", ssl=" ssl" if tls else ""), encoding="utf-8")
        self.process = subprocess.Popen(["nginx", "-p", self.dir, "-c", self.dir / "nginx.conf"], stderr=subprocess.DEVNULL)
        self.wait()

    def write_manifest(self, files, counts):
        with open(self.dir / "manifest.json", "w", encoding="utf-8") as out:
            out.write('{"transactionTime":"2026-11-01T00:00:00Z","request":"x","requiresAccessToken":true,"output":[')
            for i, name in enumerate(files):
                item = {"type": name.split("/")[-1].split(".")[0], "url": self.files[i]}
                if counts:
                    item["count"] = counts[i]
                out.write((",\n" if i else "") + json.dumps(item))
            out.write('],"error":[]}')

    def wait(self):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise SystemExit("nginx did not start: " + (self.dir / "error.log").read_text(encoding="utf-8"))

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def sha256(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else hashlib.sha256(f.read()).hexdigest()


def same_bytes(a, b):
    return os.path.getsize(a) == os.path.getsize(b) and sha256(a) == sha256(b)
