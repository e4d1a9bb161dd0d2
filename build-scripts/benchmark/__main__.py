"""build-scripts/bench [--runs N] [--json] [--reach FILE] [NAME...]

reach against what people use today. The two commands of a row run in turns (A B, B A, ...) after a warm-up, so that
whatever else the machine does meets both; each run must end with the expected status and in time, and where a row says
what must be counted in the output, that was counted once before. The ratio is that of the median wall times, per
target where the two sides get lists of different length. MiB is the peak of the largest process, calls are system
calls by strace; both are measured in runs of their own.

The lists go to a port whose connections the kernel accepts and nobody serves; they are let go between two runs. So
the far end, which elsewhere is another machine, costs both sides the same and as little as can be. connect-floor is a
loop of connect() and close() in C: what the kernel alone takes. many-net is a list over a veth to another namespace.

Then what has no peer: the time for silent targets, the peak memory with 512 connections open, and round trips on a
link with a known delay. The rows watch and talk are watch.py and talk.py, which have options of
their own.

All of it happens in a network namespace of its own. Missing tools are installed if this is run by root on Debian.
The status is 1 when a row misses its goal or cannot run.
"""

import argparse
import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass

from servers import FAR, FEW, HOSTS, JOBS, PORTS, SCANNER, SILENT_TARGETS, TLS_TARGETS, start_servers

FOLDER = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.dirname(FOLDER)
ROOT = os.path.dirname(SCRIPTS)

# Beyond build-scripts/packages; time(1) because it starts its command from a small process (see `peak`).
TOOLS = {"cc": "gcc", "nmap": "nmap", "masscan": "masscan", "ncat": "ncat", "busybox": "busybox", "gnutls-cli": "gnutls-bin", "strace": "strace",
         "/usr/bin/time": "time"}

SILENT_TIMEOUT = 2  # seconds
MEMORY_LIMIT = 24  # MiB
WARM_UP = 2
HEAVY = 9  # pairs at most, of a row with a list
LIMIT = 60  # seconds for one run
STRACE_LIMIT = 30


@dataclass
class Row:
    """One comparison. {words} in the commands are filled in with ports and files."""

    name: str
    reach: str
    peer: str
    goal: float | None  # the largest ratio of reach's median to the peer's; None: no goal, a measure
    reach_status: int = 0
    peer_status: int = 0
    targets: tuple = (1, 1)  # how many each side checks in one run
    counts: tuple = (None, None)  # a pattern that must be found at least so often in the output


CONNECT = "reach -z 127.0.0.1:{open}"
TLS = "reach --tls 127.0.0.1:{tls} --servername localhost --ca {ca}"
MANY = f"reach -z -f {{targets}} --jobs {JOBS}"
MANY_TLS = f"reach --tls --servername localhost --ca {{ca}} -f {{tls_targets}} --jobs {JOBS}"
REACH_OK = (r"(?m)^ .* ok ", HOSTS)
NMAP_OK = (r"tcp open", HOSTS)
MANY_NET = f"reach -z -f {{net_targets}} --jobs {JOBS}"
BOTH = (2 * HOSTS, 2 * HOSTS)
S_CLIENT = "-servername localhost -CAfile {ca} -verify_return_error"

ROWS = [
    Row("open", CONNECT, "nc -z 127.0.0.1 {open}", 0.6),
    Row("open", CONNECT, "ncat -z 127.0.0.1 {open}", 0.6),
    Row("open", CONNECT, "curl -sS telnet://127.0.0.1:{open}", 0.6),
    Row("open", CONNECT, "busybox nc 127.0.0.1 {open}", 1.0),
    Row("closed", "reach -z 127.0.0.1:{closed}", "nc -z 127.0.0.1 {closed}", 0.6, reach_status=20, peer_status=1),
    Row("banner", "reach 127.0.0.1:{banner}", "nc -z 127.0.0.1 {banner}", 0.6),
    Row("tls", TLS, f"openssl s_client -connect 127.0.0.1:{{tls}} {S_CLIENT}", 0.15),
    Row("tls", TLS, "gnutls-cli --x509cafile {ca} --sni-hostname localhost --verify-hostname localhost"
        " -p {tls} 127.0.0.1", 0.3),
    Row("https", "reach https://localhost:{tls}/ --connect-to 127.0.0.1 --ca {ca}",
        "curl -sS --connect-to ::127.0.0.1: --cacert {ca} https://localhost:{tls}/", 0.3),
    Row("many", MANY, "nmap -sT -n -Pn -p {held},{closed} -iL {hosts}", 1 / 3, reach_status=1, targets=BOTH,
        counts=(REACH_OK, NMAP_OK)),
    Row("many", MANY, "nmap -sT -n -Pn -T5 --max-retries 0 --min-hostgroup 1024 -p {held},{closed} -iL {hosts}", 1 / 3,
        reach_status=1, targets=BOTH, counts=(REACH_OK, NMAP_OK)),
    Row("many", MANY, "xargs -a {few} -P 64 -n 2 nc -z", 1 / 20, reach_status=1, peer_status=123,
        targets=(2 * HOSTS, FEW)),
    Row("many", MANY, "{floor} {targets} 2", None, reach_status=1, targets=BOTH),
    Row("many-net", MANY_NET, "nmap -sT -n -Pn -p {held},{closed} -iL {net_hosts}", 1.0, reach_status=1, targets=BOTH,
        counts=(REACH_OK, NMAP_OK)),
    Row("many-net", MANY_NET, "nmap -sS -n -Pn -p {held},{closed} -iL {net_hosts}", 1.0, reach_status=1, targets=BOTH,
        counts=(REACH_OK, NMAP_OK)),
    Row("many-net", MANY_NET, "masscan -iL {net_hosts} -p {held},{closed} --rate 5000 --wait 1 -e near"
        f" --adapter-ip {SCANNER} --router-mac {{mac}}", 1.0, reach_status=1, targets=BOTH,
        counts=(REACH_OK, (r"Discovered open port", HOSTS * 9 // 10))),  # at any rate it misses some
    Row("many-tls", MANY_TLS, f"xargs -a {{tls_targets}} -P 16 -I @ openssl s_client -connect @ {S_CLIENT}", 1 / 10,
        targets=(TLS_TARGETS, TLS_TARGETS), counts=((REACH_OK[0], TLS_TARGETS), None)),
]


@dataclass
class Alone:
    """One command of reach and a limit for it: `base` is what it cannot beat, or what it is given."""

    name: str
    reach: str
    unit: str  # s, MiB, or RTT: the measured round trip
    base: float
    goal: float  # the largest ratio of what was measured to `base`
    status: int = 0
    runs: int = 2


ALONE = [
    Alone("silent", f"reach -z -f {{silent}} --jobs {JOBS} --timeout {SILENT_TIMEOUT}s", "s",
          -(-SILENT_TARGETS // JOBS) * SILENT_TIMEOUT, 1.10, status=1),
    Alone("memory", f"reach -z -f {{silent}} --jobs {JOBS} --timeout 1s", "MiB", MEMORY_LIMIT, 1.0, status=1),
    Alone("memory", f"reach --tls --no-extra -f {{mute}} --jobs {JOBS} --timeout 2s", "MiB", MEMORY_LIMIT, 1.0, status=1),
    Alone("memory", MANY_TLS, "MiB", MEMORY_LIMIT, 1.0),
    Alone("rtt", "reach -z {far}:{open}", "RTT", 1, 1.05, runs=9),
    Alone("rtt", "reach -z bench.test:{open} --dns {far}:{dns}", "RTT", 2, 1.05, runs=9),
    Alone("rtt", "reach --tls {far}:{tls} --servername localhost --ca {ca}", "RTT", 2, 1.05, runs=9),
    Alone("rtt", "reach --tls --tls-version 1.2 {far}:{tls} --servername localhost --ca {ca}", "RTT", 3, 1.05, runs=9),
]

OTHERS = {"watch": [os.path.join(FOLDER, "watch.py")], "talk": [os.path.join(FOLDER, "talk.py"), "--mib", "256"]}
NAMES = list(dict.fromkeys([row.name for row in ROWS + ALONE] + list(OTHERS)))


def main():
    options = parse_arguments()
    wanted = options.names or NAMES
    if INSIDE not in os.environ:
        options.reach = os.path.abspath(options.reach or build())
        install()
        enter_namespace(options)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    good = True
    with contextlib.ExitStack() as stack:
        offer = start_servers(stack)
        rows = [measure(row, options.reach, offer, options.runs) for row in ROWS if row.name in wanted]
        alone = [measure_alone(row, options.reach, offer, options.runs) for row in ALONE if row.name in wanted]
    if options.json:
        print(json.dumps({"runs": options.runs, "rows": rows, "alone": alone}, indent=2))
    else:
        print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Linux {os.uname().release}; reach has"
              f" {os.path.getsize(options.reach)} bytes")
        print_rows(rows, options.runs)
        print_alone(alone)
    good = all(result["ok"] for result in rows + alone)
    for name, command in OTHERS.items():
        if name in wanted and not (options.json and len(wanted) > 1):
            print(f"\n{name}: {' '.join([os.path.basename(command[0])] + command[1:])}", flush=True)
            good &= subprocess.run(command + ["--reach", options.reach]).returncode == 0
    return 0 if good else 1


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=30, help=f"pairs for each row (default 30; of lists {HEAVY} at most)")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the tables")
    parser.add_argument("--reach", metavar="FILE", help="this binary instead of the one in dist/")
    parser.add_argument("names", metavar="NAME", nargs="*", help="only these rows: " + ", ".join(NAMES))
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error("no such row: " + ", ".join(sorted(unknown)))
    if options.runs < 1:
        parser.error("--runs must be 1 or more")
    return options


def build():
    arch = os.uname().machine
    if subprocess.run([os.path.join(SCRIPTS, "build"), "--arch", arch]).returncode:
        sys.exit("bench: there is no binary to measure")
    return os.path.join(ROOT, "dist", "reach-" + arch)


def install():
    """The packages of the tools that are not there. Without them their rows say so."""
    missing = [package for tool, package in TOOLS.items() if not shutil.which(tool)]
    if missing and os.geteuid() == 0 and shutil.which("apt-get"):
        print("bench: installing " + " ".join(missing), file=sys.stderr)
        script = f". '{SCRIPTS}/lib'; install_packages \"$@\""
        subprocess.run(["bash", "-c", script, "bench", *missing], stdout=subprocess.DEVNULL)


INSIDE = "REACH_BENCH_INSIDE"


def enter_namespace(options):
    """Starts this script again where loopback and all ports are its own."""
    os.environ[INSIDE] = "1"
    unshare = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    again = [sys.executable, os.path.abspath(__file__), "--runs", str(options.runs), "--reach", options.reach]
    os.execvp(unshare[0], unshare + again + ["--json"] * options.json + options.names)


# Measuring


def measure(row, reach, offer, runs):
    result = {"name": row.name, "goal": row.goal, "ratio": None, "ok": False}
    commands, shown = fill((row.reach, row.peer), reach, offer)
    result["commands"] = shown
    if not commands:
        return result | {"fault": "not installed or not started: " + shown.pop()}
    statuses = (row.reach_status, row.peer_status)
    walls = ([], [])
    try:
        for side in (0, 1):
            prove(commands[side], shown[side], row.counts[side])
            let_go(offer)
        heavy = max(row.targets) > 1
        for turn in range(-1 if heavy else -WARM_UP, min(runs, HEAVY) if heavy else runs):
            for side in (0, 1) if turn % 2 else (1, 0):
                wall = timed(commands[side], shown[side], statuses[side])
                let_go(offer)
                if turn >= 0:
                    walls[side].append(wall)
        result["peak"] = [aside(peak, command, offer) for command in commands]
        result["calls"] = [aside(system_calls, command, offer) for command in commands]
    except Fault as fault:
        return result | {"fault": str(fault)}
    result["pairs"] = len(walls[0])
    result["seconds"] = [statistics.median(side) for side in walls]
    result["targets"] = row.targets
    mine, theirs = (seconds / targets for seconds, targets in zip(result["seconds"], row.targets))
    return result | {"ratio": mine / theirs, "ok": row.goal is None or mine / theirs <= row.goal}


def measure_alone(row, reach, offer, runs):
    result = {"name": row.name, "unit": row.unit, "base": row.base, "goal": row.goal, "ratio": None, "ok": False}
    commands, shown = fill((row.reach,), reach, offer)
    result["commands"] = shown
    if not commands:
        return result | {"fault": "not installed or not started: " + shown.pop()}
    try:
        if row.unit == "MiB":
            value = peak(commands[0], row.status)
            if value is None:
                raise Fault("package time is not installed")
        else:
            pairs = range(min(runs, row.runs))
            walls, trips = zip(*((timed(commands[0], shown[0], row.status), trip(row)) for _ in pairs))
            value = statistics.median(walls) / statistics.median(trips)
    except Fault as fault:
        return result | {"fault": str(fault)}
    return result | {"value": value, "ratio": value / row.base, "ok": value / row.base <= row.goal}


def let_go(offer):
    """Ends the connections that nobody serves, before they fill the queue."""
    for control in offer["controls"]:
        control.send(b"!")
        control.recv(1)


def aside(measure, command, offer):
    """A measurement in a run of its own."""
    value = measure(command)
    let_go(offer)
    return value


class Fault(Exception):
    """Why a row cannot be measured."""


def fill(templates, reach, offer):
    """The commands with words filled in, to run and to show; None and what is missing."""
    shown, commands = list(templates), []
    for at, template in enumerate(templates):
        try:
            command = template.format(**offer).split()
        except KeyError as word:
            return None, shown + [str(word)]
        shown[at] = template.format(**offer | {name: os.path.basename(str(offer[name])) for name in offer})
        path = reach if command[0] == "reach" else shutil.which(command[0])
        if not path:
            return None, shown + [command[0]]
        commands.append([path] + command[1:])
    return commands, shown


def trip(row):
    """Seconds of a round trip, now: what a SYN takes on the slow link."""
    if row.unit == "s":
        return 1
    with socket.socket() as probe:
        probe.settimeout(5)
        started = time.perf_counter()
        probe.connect((FAR, PORTS["open"]))
        return time.perf_counter() - started


def prove(command, shown, count):
    if not count:
        return
    run = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                         timeout=LIMIT, text=True)
    found = len(re.findall(count[0], run.stdout))
    if found < count[1]:
        raise Fault(f"'{shown}' found {found} instead of {count[1]}")


def timed(command, shown, expected):
    wall, status = run(command)
    if status != expected:
        raise Fault(f"'{shown}' ended with {status} instead of {expected}")
    return wall


NULL = [
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
]


def run(command, limit=LIMIT):
    """Seconds from before the spawn to after the wait, and the status; no shell in between."""
    started = time.perf_counter()
    child = os.posix_spawn(command[0], command, os.environ, file_actions=NULL, setpgroup=0)
    watchdog = threading.Timer(limit, os.killpg, (child, signal.SIGKILL)) if is_slow(child, started) else None
    if watchdog:
        watchdog.start()
    _, status, _ = os.wait4(child, 0)
    wall = time.perf_counter() - started
    if watchdog:
        watchdog.cancel()
    return wall, os.waitstatus_to_exitcode(status)


def is_slow(child, started):
    """Whether the child still runs after a moment; only then is a thread worth its cost."""
    pidfd = os.pidfd_open(child)
    ended = select.select([pidfd], [], [], 0.05)[0]
    os.close(pidfd)
    return not ended


def peak(command, expected=None):
    """MiB of the largest process. What wait4 tells this process would be no less than its own size, which a child
    has until it executes its program; time(1) is small."""
    if not os.path.exists("/usr/bin/time"):
        return None
    with tempfile.NamedTemporaryFile("r") as file:
        _, status = run(["/usr/bin/time", "-q", "-f", "%M", "-o", file.name] + command)
        if expected is not None and status != expected:
            raise Fault(f"ended with {status} instead of {expected}")
        return int(file.read().split()[-1]) / 1024


def system_calls(command):
    """All of them, of all threads and children; None without strace or when it takes too long."""
    if not shutil.which("strace"):
        return None
    with tempfile.NamedTemporaryFile("r") as file:
        run([shutil.which("strace"), "-qq", "-f", "-c", "-U", "calls,name", "-o", file.name] + command,
            STRACE_LIMIT)
        total = [line.split() for line in file if line.rstrip().endswith(" total")]
        return int(total[0][0]) if total else None


# Tables


def print_rows(results, runs):
    if not results:
        return
    print(f"\nmedian wall time of {runs} pairs ({min(runs, HEAVY)} for lists), loopback; reach's part of the peer's\n")
    table = [("what", "reach", "peer", "ratio", "goal", "", "MiB", "calls", "commands")]
    for result in results:
        figures = ("-",) * 3
        extra = ("", "")
        if "fault" not in result:
            figures = (*(milliseconds(s) for s in result["seconds"]), f"{result['ratio']:.3f}")
            extra = tuple("/".join(number(n) for n in result[key]) for key in ("peak", "calls"))
        verdict = "-" if result["goal"] is None else "ok" if result["ok"] else "miss"
        goal = "-" if result["goal"] is None else f"{result['goal']:.3g}"
        table.append((result["name"], *figures, goal, verdict, *extra, result["commands"][0]))
        table.append(("",) * 8 + (result["commands"][1],))
        if result.get("targets", (1, 1)) != (1, 1):
            mine, theirs = result["targets"]
            table.append(("",) * 8 + (f"{mine} targets" + (f" against {theirs}, ratio per target" * (mine != theirs)),))
        if "fault" in result:
            table.append(("",) * 8 + (result["fault"],))
    print_table(table)


def print_alone(results):
    if not results:
        return
    print("\nagainst what is possible or allowed\n")
    table = [("what", "reach", "limit", "ratio", "goal", "", "command")]
    for result in results:
        unit = result["unit"]
        figures = ("-", "-")
        if "fault" not in result:
            figures = (f"{result['value']:.2f} {unit}", f"{result['base']:g} {unit}", f"{result['ratio']:.3f}")
        else:
            figures = ("-", f"{result['base']:g} {unit}", "-")
        verdict = "ok" if result["ok"] else "miss"
        table.append((result["name"], *figures, f"{result['goal']:g}", verdict, result["commands"][0]))
        if "fault" in result:
            table.append(("",) * 6 + (result["fault"],))
    print_table(table)


def print_table(table):
    widths = [max(len(line[column]) for line in table) for column in range(len(table[0]) - 1)]
    for line in table:
        print("  ".join([cell.ljust(width) for cell, width in zip(line, widths)] + [line[-1]]).rstrip())


def milliseconds(seconds):
    return f"{seconds * 1e3:.2f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"


def number(value):
    if value is None:
        return "-"
    return f"{value:.1f}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
