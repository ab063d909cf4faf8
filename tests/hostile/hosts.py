# SPDX-License-Identifier: Apache-2.0
"""Hosts on loopback that keep every byte they are sent and can do to a connection whatever a network or a peer can.

What they answer is the scenario's; nothing here knows of FHIR."""
import mmap
import socket
import ssl
import struct
import threading
import time

PATIENCE_S = 120       # of the machine's time, for a client that neither speaks nor leaves: the scenario has failed then
HEAD_MAX = 256 * 1024  # of a request


class Over(Exception):
    """Nothing more is to be done with this connection."""


class Page:
    """What the program and its peer tell each other: fast_time.c knows the layout."""
    SIZE = 4096

    def __init__(self, path):
        self.path = path
        with open(path, "w+b") as file:
            file.truncate(self.SIZE)
            self.memory = mmap.mmap(file.fileno(), self.SIZE)
        self.lock, self.stalls = threading.Lock(), 0

    def skipped_s(self):
        """How far ahead of the machine's clock the program's is."""
        return struct.unpack_from("<q", self.memory, 0)[0] / 1e9

    def now_s(self):
        return time.time() + self.skipped_s()

    def add_stall(self, by):
        with self.lock:
            self.stalls += by
            struct.pack_into("<i", self.memory, 8, self.stalls)

    def begin(self):
        """Another program run; its time goes on where the last one's ended."""
        struct.pack_into("<i", self.memory, 12, 0)

    def end(self):
        """(has it told, descriptors left, threads left, peak memory in KB, which descriptors)"""
        ended, fds, threads = struct.unpack_from("<iii", self.memory, 12)
        peak = struct.unpack_from("<q", self.memory, 24)[0]
        left = bytes(self.memory[32:32 + 256]).split(b"\0")[0].decode(errors="replace")
        return ended == 1, fds, threads, peak, left

    def close(self):
        self.memory.close()


class Reply:
    """What to answer. Headers may be set twice with add()."""

    def __init__(self, status, body=b"", headers=(), framing="length"):
        """`framing`: length, chunked, close (the end of the connection is the end), or none (say nothing of it)."""
        self.status, self.headers, self.framing = status, list(dict(headers).items()), framing
        self.body = body.encode() if isinstance(body, str) else body
        self.line = None  # instead of "HTTP/1.1 STATUS x"

    def set(self, name, value):
        self.headers = [(n, v) for n, v in self.headers if n.lower() != name.lower()] + [(name, value)]
        return self

    def add(self, name, value):
        self.headers.append((name, value))
        return self

    def get(self, name):
        return next((v for n, v in self.headers if n.lower() == name.lower()), None)

    def encoded(self):
        """(head, body) as they go over the wire."""
        lines, body = [self.line or f"HTTP/1.1 {self.status} x"], self.body
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.framing == "length":
            lines.append(f"Content-Length: {len(body)}")
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
            half = len(body) // 2
            body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:half], body[half:]) if p) + b"0\r\n\r\n"
        elif self.framing == "close":
            lines.append("Connection: close")
        return "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n", body


class Request:
    def __init__(self, host, method, target, headers, body, raw):
        self.host, self.method, self.target, self.headers, self.body, self.raw = host, method, target, headers, body, raw
        self.path, _, self.query = target.partition("?")

    @property
    def bearer(self):
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind == "Bearer" else None


class Wire:
    """One connection, and what can be done to it."""

    def __init__(self, host, sock):
        self.host, self.sock, self.page, self.context = host, sock, host.page, host.context

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (OSError, ValueError):
            raise Over from None

    def receive(self):
        try:
            return self.sock.recv(64 * 1024)
        except (OSError, ValueError):
            return b""

    def reset(self):
        """The peer sees ECONNRESET."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        raise Over

    def cut(self):
        """The connection ends without TLS's farewell."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        raise Over

    def stall(self):
        """Silence, until the peer has had enough."""
        self.page.add_stall(1)
        try:
            while self.receive():
                pass
        finally:
            self.page.add_stall(-1)
        raise Over

    def pause(self, seconds):
        """Silence for so long, in the program's time."""
        end, give_up = self.page.skipped_s() + seconds, time.monotonic() + PATIENCE_S
        self.page.add_stall(1)
        try:
            while self.page.skipped_s() < end and time.monotonic() < give_up and not self._gone():
                time.sleep(0.002)  # not for a condition of ours: the other side's clock is what is waited for
        finally:
            self.page.add_stall(-1)
        if self._gone():
            raise Over

    def _gone(self):
        duplicate = socket.socket(fileno=socket.dup(self.sock.fileno()))  # TLS sockets cannot be peeked into
        try:
            duplicate.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
            return True  # its end, or TLS's farewell: nobody speaks while an answer is under way
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            duplicate.close()

    def send_reply(self, reply):
        head, body = reply.encoded()
        self.send(head + body)
        if reply.framing in ("close", "none"):
            self.end()

    def end(self):
        """As it should be: with a farewell."""
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(5)
                self.sock = self.sock.unwrap()
        except (OSError, ValueError):
            pass
        raise Over


def nobody():
    """A socket whose port is taken, and refuses whoever comes."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock


class Host:
    """One origin. `answer(wire, request)` is called for each request, on the connection's own thread."""

    def __init__(self, name, page, answer, context=None):
        self.name, self.page, self.answer, self.context = name, page, answer, context
        self.requests = []
        self.lock = threading.Lock()
        self.on_connect = None  # function(wire): before TLS; may take the connection over
        self.open, self.port = set(), 0
        self.socket = self._bound()
        self.port = self.socket.getsockname()[1]
        self.listen()

    def _bound(self):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", self.port))
        return sock

    def listen(self):
        self.socket.listen(64)
        threading.Thread(target=self._accept, args=(self.socket,), daemon=True).start()

    def spare(self, wire):
        """It is not ended by refuse() or close()."""
        with self.lock:
            self.open.discard(wire)

    def refuse(self):
        """Whoever comes, until listen(); the port stays ours. Connections that are open end."""
        self.close()
        self.socket = self._bound()

    @property
    def origin(self):
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    def _accept(self, listener):
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.settimeout(PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        wire = Wire(self, sock)
        with self.lock:
            self.open.add(wire)
        try:
            if self.on_connect:
                self.on_connect(wire)
            if wire.context:
                wire.sock = wire.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                wire.sock.do_handshake()
            self._requests(wire)
        except (Over, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open.discard(wire)
            try:
                wire.sock.close()
            except OSError:
                pass

    def _requests(self, wire):
        buffer = b""
        while True:
            while b"\r\n\r\n" not in buffer:
                piece = wire.receive()
                if not piece or len(buffer) > HEAD_MAX:
                    return
                buffer += piece
            head, _, buffer = buffer.partition(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            method, target, _ = lines[0].split(" ", 2)
            headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
            length = int(headers.get("content-length", 0))
            while len(buffer) < length:
                piece = wire.receive()
                if not piece:
                    return
                buffer += piece
            body, buffer = buffer[:length], buffer[length:]
            request = Request(self, method, target, headers, body, head + b"\r\n\r\n" + body)
            with self.lock:
                self.requests.append(request)
            reply = self.answer(wire, request)
            wire.send_reply(reply)

    def close(self):
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()
        with self.lock:
            left = list(self.open)
        for wire in left:
            try:
                wire.sock.shutdown(socket.SHUT_RDWR)
            except (OSError, ValueError):
                pass


def server_context(certificate, **settings):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    for name, value in settings.items():
        setattr(context, name, value)
    return context
