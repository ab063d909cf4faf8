# SPDX-License-Identifier: Apache-2.0
"""What can be wrong before the first byte of HTTP: certificates, handshakes, ports that speak something else."""
import ssl
import struct
import threading
import time

from faults import ALWAYS, RESET, SILENCE, Fault
from hosts import PATIENCE_S

# context: the words by which a person can tell
CONTEXTS = {"expired": "certificate has expired", "stranger": "unknown CA", "another host": "is for another host",
            "not yet": "not valid yet", "old": "TLS handshake: .*protocol",
            "client certificate": "certificate required|asked for a client certificate"}
RAW = {"garbage": bytes(range(256)), "plain HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
       "alert": b"\x15\x03\x03\x00\x02\x02\x28", "SSH": b"SSH-2.0-OpenSSH_9.2\r\n", "nothing": b""}


def part_of_handshake(context, wire, part):
    """The server's first flight, or a part of it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    half = context.wrap_bio(incoming, outgoing, server_side=True)
    while True:
        incoming.write(wire.receive())
        try:
            half.do_handshake()
        except ssl.SSLWantReadError:
            flight = outgoing.read()
            if flight:
                wire.send(flight[:int(part * len(flight))])
                return


def make(rng, name, words, act):
    """At the payer for ever, or for some connections; or at the file server."""
    times, host = rng.choice([ALWAYS, ALWAYS, 1, 2]), rng.choice(["payer", "payer", "files"])
    codes = {5} if times == ALWAYS and host == "payer" else {0, 4, 5, 6}
    return Fault(f"TLS: {name} of {host}", "connect", act, codes, 0, words, times, path=f"^{host}$")


def certificate(rng):
    kind = rng.choice(list(CONTEXTS))

    def act(payer, wire, _request):
        wire.context = payer.contexts[kind]
    return make(rng, kind, CONTEXTS[kind], act)


def other_protocol(rng):
    kind, then = rng.choice(list(RAW)), rng.choice(["reset", "cut"])

    def act(_payer, wire, _request):
        wire.receive()
        wire.send(RAW[kind])
        getattr(wire, then)()
    return make(rng, f"{kind}, then {then}", f"TLS handshake: |not proper HTTP|{RESET}", act)


def broken_handshake(rng):
    part, then = rng.random(), rng.choice(["reset", "cut", "stall"])

    def act(payer, wire, _request):
        part_of_handshake(payer.contexts["good"], wire, part)
        getattr(wire, then)()
    return make(rng, f"{then} after {part:.2f} of the handshake", f"TLS handshake: |{RESET}|{SILENCE}", act)


def broken_record(rng):
    """A record that nobody's key made, in the middle of an answer."""
    def act(payer, wire, _request):
        raw = wire.sock
        tls = payer.contexts["good"].wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
        wire.sock = tls
        tls.do_handshake()
        wire.receive()
        record = b"\x17\x03\x03" + struct.pack(">H", 64) + bytes(64)
        import os
        os.write(tls.fileno(), record)
        wire.cut()
    return make(rng, "a forged record", f"decrypt|bad record|{RESET}", act)


def refusing(rng):
    """Nobody listens at the payer, from the beginning on."""
    def begin(payer):
        payer.payer.refuse()
        if payer.jobs:
            fault.codes.add(0)  # what is left to do may be at the file server alone, but for the clean-up
    fault = Fault("the payer refuses connections", "connect", lambda payer, wire, request: None, {5}, 0, "connecting: ",
                  path="^nobody$")
    fault.begin, fault.heal, fault.unseen = begin, lambda payer: payer.payer.listen(), True
    return fault


def gone_after_kickoff(rng):
    """It answers the kick-off, and from then on refuses connections: for a while, or for ever."""
    seconds = rng.choice([2, 20, 100, None])
    healed = threading.Event()

    def listen_again(payer):
        if not healed.is_set():
            healed.set()
            payer.payer.listen()

    def later(payer, since):
        give_up = time.monotonic() + PATIENCE_S
        while not healed.is_set() and time.monotonic() < give_up:
            if payer.page.skipped_s() >= since + seconds:
                listen_again(payer)
            time.sleep(0.001)  # not for a condition of ours: the other side's clock is what is waited for

    def act(payer, wire, request):
        reply = payer.usual(request)
        healed.clear()
        payer.payer.spare(wire)
        payer.payer.refuse()
        if seconds:
            threading.Thread(target=later, args=(payer, payer.page.skipped_s()), daemon=True).start()
        wire.send(b"".join(reply.encoded()))
        wire.end()
    healed.set()
    fault = Fault(f"gone after the kick-off, for {seconds or 'ever'}", "kickoff", act, {0, 5} if seconds else {5}, 0,
                  "connecting: ", 1)
    fault.heal, fault.uncounted = listen_again, True
    return fault


CATALOGUE = (refusing, gone_after_kickoff, certificate, certificate, other_protocol, broken_handshake, broken_record)
