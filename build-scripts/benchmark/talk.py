#!/usr/bin/env python3
"""build-scripts/benchmark/talk.py [--reach FILE] [--mib N] [--rounds N]

Throughput of `reach talk` against nc (TCP) and openssl s_client (TLS) on loopback, side by side in one run: the same
server and the same bytes, taking turns, and the ratio of the medians. Before that, both directions at once through
reach, with checksums. Exit status 1 if a ratio is below 1 or a byte was lost.
"""
import argparse
import hashlib
import os
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

MIB = 1 << 20
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What s_client takes for commands when it stands behind a read from stdin.
LETTERS = bytes.maketrans(b"QRkKB", b"qrxxb")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reach", default=os.path.join(ROOT, "dist", "reach-" + os.uname().machine))
    parser.add_argument("--mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as place:
        bench = Bench(options, place)
        for tls in (False, True):
            bench.both_at_once(tls)
        sys.exit(0 if bench.compare() >= 1 else 1)


class Bench:
    def __init__(self, options, place):
        self.reach, self.rounds, self.mib = options.reach, options.rounds, options.mib
        self.source, self.sink = os.path.join(place, "in"), os.path.join(place, "out")
        self.cert, self.key = os.path.join(place, "cert.pem"), os.path.join(place, "key.pem")
        self.block = os.urandom(MIB).translate(LETTERS)
        with open(self.source, "wb") as file:
            for _ in range(self.mib):
                file.write(self.block)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", self.key, "-out", self.cert, "-days", "2", "-subj", "/CN=bench.test",
                        "-addext", "subjectAltName=DNS:bench.test"], check=True, stderr=subprocess.DEVNULL)

    def compare(self):
        """The table; the worst ratio."""
        print(f"{self.mib} MiB, median of {self.rounds} rounds, MiB/s\n{'':<28}{'reach':>8}{'peer':>8}{'ratio':>7}")
        worst = 10.0
        for tls, peer in ((False, "nc"), (True, "s_client")):
            for way in ("up from a file", "down to a file", "down to a pipe"):
                speeds = {"reach": [], peer: []}
                for _ in range(self.rounds):
                    for who, all_of_it in speeds.items():
                        all_of_it.append(self.once(who, tls, way))
                mine, other = (statistics.median(of) for of in speeds.values())
                worst = min(worst, mine / other)
                print(f"{peer + ', ' + way:<28}{mine:>8.0f}{other:>8.0f}{mine / other:>7.2f}", flush=True)
        return worst

    def command(self, who, tls, port, up):
        place = f"127.0.0.1:{port}"
        if who == "nc":
            return ["nc", "-N", "127.0.0.1", str(port)]
        if who == "s_client":
            # Only with -quiet does it wait for the peer's end when stdin has ended.
            eof = ["-quiet", "-no_ign_eof"] if up else ["-quiet"]
            return ["openssl", "s_client", *eof, "-CAfile", self.cert, "-servername", "bench.test", "-connect", place]
        secure = ["--ca", self.cert, "--servername", "bench.test"] if tls else ["--no-tls"]
        return [self.reach, "talk", place, *secure]

    def once(self, who, tls, way):
        """One transfer in one direction; MiB per second."""
        up, piped = way.startswith("up"), way.endswith("pipe")
        server = Server(self, tls, sends=not up, receives=up)
        with open(self.source if up else os.devnull, "rb") as source, open(self.sink, "wb") as sink:
            began = time.monotonic()
            with subprocess.Popen(self.command(who, tls, server.port, up), stdin=source,
                                  stdout=subprocess.PIPE if piped else sink, stderr=subprocess.DEVNULL) as child:
                got = count(child.stdout) if piped else 0
            report = server.wait()
            took = time.monotonic() - began
        got = report[0] if up else got if piped else os.path.getsize(self.sink)
        if got != self.mib * MIB:
            sys.exit(f"bench talk: {who}, {way}: {got} bytes of {self.mib * MIB}")
        return self.mib / took

    def both_at_once(self, tls):
        server = Server(self, tls, sends=True, receives=True)
        with open(self.source, "rb") as source, open(self.sink, "wb") as sink:
            subprocess.run(self.command("reach", tls, server.port, True), stdin=source, stdout=sink, check=True)
        wanted, up = checksum(self.source), server.wait()[1]
        if not wanted == up == checksum(self.sink):
            sys.exit("bench talk: both directions at once: other bytes arrived than were sent")
        print(f"{self.mib} MiB in both directions at once, {'TLS' if tls else 'TCP'}: checksums agree", flush=True)


class Server:
    """One connection, served by a process of its own, which reports what it received."""

    def __init__(self, bench, tls, sends, receives):
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.report, report = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.write(report, serve(bench, listener, tls, sends, receives).encode())
            finally:
                os._exit(0)
        listener.close()
        os.close(report)

    def wait(self):
        text = os.read(self.report, 4096).decode() or "0 none"
        os.close(self.report)
        os.waitpid(self.pid, 0)
        length, digest = text.split()
        return int(length), digest


def serve(bench, listener, tls, sends, receives):
    peer, _ = listener.accept()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(bench.cert, bench.key)
        peer = context.wrap_socket(peer, server_side=True)
    digest, length = hashlib.sha256(), 0

    def send():
        for _ in range(bench.mib):
            peer.sendall(bench.block)
        if not tls:
            peer.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send if sends else lambda: None)
    sender.start()
    room = memoryview(bytearray(MIB))
    while receives and (more := peer.recv_into(room)):
        length += more
        if sends:
            digest.update(room[:more])
    sender.join()
    if tls:
        try:
            peer.unwrap()
        except OSError:
            pass
    peer.close()
    return f"{length} {digest.hexdigest()}"


def count(pipe):
    room, length = bytearray(MIB), 0
    while more := os.readv(pipe.fileno(), [room]):
        length += more
    return length


def checksum(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
