#!/usr/bin/env python3
"""build-scripts/soak [--seconds N] [--reach FILE] [NAME...]

Whether descriptors, threads and memory stay flat while reach works for N seconds (120 unless told):

  jobs    a list of 1,000 peers that misbehave in eight ways, 64 at a time, again and again
  watch   all sockets of the box, while connections come and go
  listen  visitors that say nothing, too much, half a ClientHello, or reset
  every   one target every 10 ms

/proc is read four times a second. What counts are the peaks of the second and of the last third: a peak that grows by
more than a tenth and SLACK is no longer flat. The status is 1 then, or when reach ends before it is told to or badly.
All of it happens on the loopback of a network namespace of its own.
"""

import argparse
import asyncio
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = 1000
INSIDE = "REACH_SOAK_INSIDE"  # in the namespace already
TICK = 0.25  # seconds between two looks
SLACK = {"descriptors": 32, "threads": 32, "KiB": 256}  # a check may ask five things side by side
HELLO = bytes.fromhex("160301004a010000460303") + bytes(32)


# ---- peers: each takes a connection and does one kind of harm

async def hold(reader, writer):
    """Reads, and never answers."""
    while await reader.read(4096):
        pass


async def deaf(_reader, _writer):
    await asyncio.sleep(3)


async def hang_up(_reader, _writer):
    pass


async def reset(_reader, writer):
    writer.transport.abort()


async def dribble(_reader, writer):
    for _ in range(60):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.05)


async def flood(_reader, writer):
    for _ in range(200):
        writer.write(b"220-more\r\n" * 500)
        await writer.drain()


async def half_record(reader, writer):
    await reader.read(4096)
    writer.write(b"\x16\x03\x03\x40\x00\x02")
    await asyncio.sleep(3)


async def noise(_reader, writer):
    writer.write(random.randbytes(2000))
    await writer.drain()


HARM = [hold, deaf, hang_up, reset, dribble, flood, half_record, noise]


def start_peers():
    """The ports, one for each kind of harm, on every address of loopback."""
    ports, ready = [], threading.Event()

    def guarded(harm):
        async def serve(reader, writer):
            try:
                await harm(reader, writer)
            except OSError:
                pass
            finally:
                writer.close()
        return serve

    async def serve():
        for harm in HARM:
            server = await asyncio.start_server(guarded(harm), "0.0.0.0", 0, backlog=1024)
            ports.append(server.sockets[0].getsockname()[1])
        ready.set()
        await asyncio.Event().wait()

    threading.Thread(target=lambda: asyncio.run(serve()), daemon=True).start()
    ready.wait()
    return ports


# ---- visitors: what comes and goes while reach watches or listens

def visit(port, stop):
    """Connections of four kinds, some hundred a second, until it is told to stop."""
    linger = struct.pack("ii", 1, 0)
    kept = []
    while not stop.is_set():
        for kind in range(4):
            try:
                one = socket.create_connection(("127.0.0.1", port), timeout=1)
                if kind == 1:
                    one.sendall(b"A" * 5000)
                elif kind == 2:
                    one.sendall(HELLO[:random.randrange(1, len(HELLO))])
                elif kind == 3:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                kept.append(one)
            except OSError:
                pass
        while len(kept) > 40:
            kept.pop(0).close()
        stop.wait(0.02)


# ---- measuring

def look(pid):
    with open(f"/proc/{pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status)
    return {"descriptors": len(os.listdir(f"/proc/{pid}/fd")), "threads": int(lines["Threads"]),
            "KiB": int(lines["VmRSS"].split()[0])}


def soak(name, command, seconds, visited):
    """Runs the command so long; prints a line, and says whether it stayed flat."""
    stop = threading.Event()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    if visited:
        threading.Thread(target=visit, args=(visited, stop), daemon=True).start()
    began, looks, early = time.monotonic(), [], False
    while time.monotonic() < began + seconds and not early:
        time.sleep(TICK)
        early = process.poll() is not None
        if not early:
            looks.append(look(process.pid))
    if not early:
        process.send_signal(signal.SIGINT)
    stop.set()
    try:
        _, said = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        early = True
    third = max(len(looks) // 3, 1)
    before, after = looks[third:2 * third] or looks, looks[-third:]
    faults = [f"ended early or badly, status {process.returncode}: {said.decode(errors='replace')[-200:]}"] \
        if early or process.returncode in (70, 101) or process.returncode < -2 else []
    figures = []
    for what, slack in SLACK.items():
        old, new = (max(one[what] for one in part) for part in (before, after))
        figures.append(f"{what} {old} -> {new}")
        if new > old * 1.1 + slack:
            faults.append(f"{what} grew")
    print(f"{name:8} {len(looks) * TICK:6.0f} s  {', '.join(figures)}  {'; '.join(faults) or 'flat'}", flush=True)
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--reach", default=os.path.join(ROOT, "dist", f"reach-{os.uname().machine}"))
    parser.add_argument("names", nargs="*", metavar="NAME")
    options = parser.parse_args()
    if INSIDE not in os.environ:
        own = ["sh", "-c", 'ip link set lo up && exec "$@"', "soak", sys.executable, *sys.argv]
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare", "--map-root-user", "--net", *own])
    ports = start_peers()
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as targets:
        for number in range(PEERS):
            tls = "yes" if number // len(HARM) % 2 else "no"
            address = f"127.{1 + number // 250}.0.{1 + number % 250}"
            targets.write(f"{address}:{ports[number % len(HARM)]} tls={tls}\n")
        targets.flush()
        reach, free = options.reach, str(ports[0])
        rows = {
            "jobs": ([reach, "-q", "-f", targets.name, "--jobs", "64", "--timeout", "500ms", "--every", "1s"], None),
            "watch": ([reach, "watch"], ports[0]),
            "listen": ([reach, "listen", "127.0.0.1:0"], 0),
            "every": ([reach, "-q", "-z", "127.0.0.1:" + free, "--every", "10ms"], None),
        }
        unknown = set(options.names) - set(rows)
        if unknown:
            sys.exit(f"soak: no row of this name: {', '.join(sorted(unknown))}")
        good = True
        for name, (command, visited) in rows.items():
            if options.names and name not in options.names:
                continue
            if visited == 0:
                visited = free_port()
                command[-1] = f"127.0.0.1:{visited}"
            good &= soak(name, command, options.seconds, visited)
    sys.exit(not good)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    main()
