#!/usr/bin/env python3
"""build-scripts/benchmark/watch.py [--runs N] [--sockets N] [--json] [--reach FILE]

The cost of looking at many sockets: processor time of one `reach watch --once`, and of one round of a watch that goes
on, against `ss -tan` and `netstat -an` (package net-tools). The commands of a row run in turns. The sockets are
connections on loopback, held by this process. The status is 1 when a row misses its goal or cannot run.
"""

import argparse
import json
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WARM_UP = 2
WATCH_SECONDS = 5

# What is compared, the peer, and the largest ratio of processor time.
GOALS = [
    ("once", "ss", 1.0),
    ("once", "netstat", 0.6),
    ("round", "ss", 0.7),
    ("round", "netstat", 0.4),
    ("round :1", "ss", 0.3),
    ("round :1", "netstat", 0.2),
]


def main():
    options = parse_arguments()
    reach = options.reach or build()
    commands = {
        "once": [reach, "watch", "--once"],
        "ss": [shutil.which("ss"), "-tan"],
        "netstat": [shutil.which("netstat"), "-an"],
    }
    missing = [name for name, command in commands.items() if not command[0]]
    if missing:
        sys.exit("bench watch: not installed: " + ", ".join(missing))
    held = hold(options.sockets)
    cpu = {name: [] for name in commands}
    wall = {name: [] for name in commands}
    for turn in range(-WARM_UP, options.runs):
        for name in sorted(commands, reverse=turn % 2 == 1):
            seconds, used = run(commands[name])
            if turn >= 0:
                wall[name].append(seconds)
                cpu[name].append(used)
    cpu = {name: statistics.median(values) for name, values in cpu.items()}
    wall = {name: statistics.median(values) for name, values in wall.items()}
    cpu["kernel"] = min(read_tables() for _ in range(5))
    cpu["round"], share = steady([reach, "watch", "--json"])
    cpu["round :1"], _ = steady([reach, "watch", "--json", ":1"])
    held.clear()

    rows = []
    for what, peer, goal in GOALS:
        ratio = cpu[what] / cpu[peer]
        rows.append({"what": what, "peer": peer, "ratio": ratio, "goal": goal, "ok": ratio <= goal})
    if options.json:
        figures = {"cpu": cpu, "wall": wall, "steady_cpu_share": share, "rows": rows}
        print(json.dumps({"runs": options.runs, "sockets": options.sockets, **figures}, indent=2))
    else:
        print(f"median processor time of {options.runs} runs, {options.sockets} sockets on loopback")
        for name, seconds in cpu.items():
            print(f"  {name:<10} {seconds * 1e3:8.2f} ms" + (f"  wall {wall[name] * 1e3:.2f} ms" if name in wall else ""))
        print(f"  a watch of everything, every 200 ms, takes {share:.1%} of one processor")
        for row in rows:
            verdict = "ok" if row["ok"] else "miss"
            print(f"  {row['what']} / {row['peer']:<10} {row['ratio']:.3f}  goal {row['goal']:g}  {verdict}")
    return 0 if all(row["ok"] for row in rows) else 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="runs of each command (default 15)")
    parser.add_argument("--sockets", type=int, default=10000, help="how many sockets (default 10000)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--reach", metavar="FILE", help="this binary instead of the one in dist/")
    options = parser.parse_args()
    if options.runs < 1 or options.sockets < 2:
        parser.error("--runs must be 1 or more, --sockets 2 or more")
    return options


def build():
    arch = os.uname().machine
    if subprocess.run([os.path.join(ROOT, "build-scripts", "build"), "--arch", arch]).returncode:
        sys.exit("bench watch: there is no binary to measure")
    return os.path.join(ROOT, "dist", "reach-" + arch)


def hold(sockets):
    """Connections on loopback with that many sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < sockets + 64:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, sockets + 64), hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    held = [listener]
    for _ in range(sockets // 2):
        held.append(socket.create_connection(listener.getsockname()))
        held.append(listener.accept()[0])
    return held


def read_tables():
    """Processor seconds of reading the kernel's tables and doing nothing with them: the floor of any such tool."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_stime
    for name in ("tcp", "tcp6"):
        with open("/proc/net/" + name, "rb", buffering=0) as table:
            while table.read(65536):
                pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_stime - before


def run(command):
    """Wall and processor seconds of one command."""
    null = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_RDWR, 0) for fd in range(3)]
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=null)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"bench watch: {' '.join(command)} failed")
    return seconds, usage.ru_utime + usage.ru_stime


def steady(command):
    """Processor seconds of one round, without the first looks, and the share of a processor."""
    figures = []
    for seconds in (1, WATCH_SECONDS + 1):
        command_line = command + ["--for", f"{seconds}s"]
        child = subprocess.Popen(command_line, stdout=subprocess.PIPE)
        last = None
        for line in child.stdout:
            last = line
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        figures.append((json.loads(last)["looks"], usage.ru_utime + usage.ru_stime))
    looks, used = (late - early for early, late in zip(*figures))
    return used / looks, used / WATCH_SECONDS


if __name__ == "__main__":
    sys.exit(main())
