"""What the rows are measured against: ports, files, networks, all of them gone when the stack is left."""

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import re
import resource
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))

# Nobody else is in the namespace, so ports need not be asked for.
PORTS = {"open": 7001, "closed": 7002, "banner": 7003, "tls": 7004, "mute": 7005, "dns": 7006,
         "held": 7007}

HOSTS = 5000  # of the list of targets: an open and a closed port each
FEW = 1000  # of them, for a peer that starts a process for each
TLS_TARGETS = 1000
SILENT_TARGETS = 2000
JOBS = 512
ROUND_TRIP = 0.1  # seconds on the slow link
NEAR, FAR, NOWHERE = "10.99.0.1", "10.99.0.2", "10.98"  # its two ends; what it loses
HERE, THERE, SCANNER, NETWORK = "10.97.0.1", "10.97.0.2", "10.97.0.9", "10.96"  # the veth, and what is behind it
BACKLOG = 65535


def start_servers(stack):
    """Ports and files by the names that the rows use. What cannot be started is left out."""
    allow_files()
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="reach-bench-"))
    offer = dict(PORTS) | {"controls": []}
    allow_queues()
    held = stack.enter_context(socket.socket())  # bound and not listening: nobody else can open it
    held.bind(("0.0.0.0", PORTS["closed"]))
    child(stack, answer, listener(PORTS["open"]), b"")
    offer["controls"].append(controlled(stack, hold))
    child(stack, answer, listener(PORTS["banner"]), b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n")
    stack.enter_context(listener(PORTS["mute"]))  # the kernel accepts, nobody answers
    offer |= write_lists(folder)
    if shutil.which("openssl") and shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        offer["ca"], key = make_certificate(folder)
        serve_tls(stack, folder, offer["ca"], key)
    else:
        del offer["tls"]
    if shutil.which("cc"):
        offer["floor"] = os.path.join(folder, "connect-floor")
        subprocess.run(["cc", "-O2", "-pthread", "-o", offer["floor"], os.path.join(FOLDER, "connect-floor.c")], check=True)
    other_namespace(stack, offer)
    if slow_link(stack):
        offer["far"] = FAR
        child(stack, resolve)
    else:
        del offer["silent"]
    return offer


def allow_files():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def allow_queues():
    """Room for every connection of a list, open and half open, in this namespace; before anybody listens."""
    for name in ("core/somaxconn", "ipv4/tcp_max_syn_backlog"):
        with contextlib.suppress(OSError), open(f"/proc/sys/net/{name}", "w", encoding="ascii") as limit:
            limit.write(str(BACKLOG))


def write_lists(folder):
    """Addresses all over 127.0.0.0/8, the same in each run."""
    dice = random.Random(1)
    hosts = set()
    while len(hosts) < HOSTS:
        hosts.add(f"127.{dice.randrange(1, 255)}.{dice.randrange(256)}.{dice.randrange(1, 255)}")
    hosts = sorted(hosts)
    targets = [(host, PORTS[port]) for host in hosts for port in ("held", "closed")]
    dice.shuffle(targets)
    beyond = [f"{NETWORK}.{n // 250}.{n % 250 + 1}" for n in range(HOSTS)]
    net_targets = [f"{host}:{PORTS[port]}" for host in beyond for port in ("held", "closed")]
    dice.shuffle(net_targets)
    lists = {
        "hosts": hosts,
        "net_hosts": beyond,
        "net_targets": net_targets,
        "targets": [f"{host}:{port}" for host, port in targets],
        "few": [f"{host} {port}" for host, port in targets[:FEW]],
        "tls_targets": [f"{host}:{PORTS['tls']}" for host in hosts[:TLS_TARGETS]],
        "mute": [f"{host}:{PORTS['mute']}" for host in hosts[:JOBS]],
        "silent": [f"{NOWHERE}.{n >> 8}.{n & 255}:443" for n in range(SILENT_TARGETS)],
    }
    paths = {}
    for name, lines in lists.items():
        paths[name] = os.path.join(folder, name)
        with open(paths[name], "w", encoding="ascii") as file:
            file.write("\n".join(lines) + "\n")
    return paths


def child(stack, work, *arguments):
    """A process of this script that does that work until it is stopped."""
    pid = os.fork()
    if pid == 0:
        try:
            work(*arguments)
        finally:
            os._exit(1)
    stack.callback(stop, pid)


def stop(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def listener(port):
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("0.0.0.0", port))
    held.listen(BACKLOG)
    return held


def hold(control):
    """Lets the kernel accept, and ends what it has accepted at each byte of `control`."""
    queue = listener(PORTS["held"])
    queue.setblocking(False)
    control.send(b"!")
    while control.recv(1):
        with contextlib.suppress(BlockingIOError):
            while True:
                queue.accept()[0].close()
        control.send(b"!")


def controlled(stack, work):
    """A process that does `work(control)`, once it is ready; the other end of `control`."""
    mine, theirs = socket.socketpair()
    child(stack, work, theirs)
    mine.recv(1)
    return mine


def other_namespace(stack, offer):
    """NETWORK, all of it one host, behind a veth in a namespace of its own: `near` here, `far` there."""
    ours, theirs = socket.socketpair()

    def live_there(control):
        ctypes.CDLL(None).unshare(0x40000000)  # CLONE_NEWNET
        theirs.send(str(os.getpid()).encode())
        theirs.recv(1)
        allow_queues()
        for arguments in ("link set lo up", "link set far up", f"addr add {THERE}/24 dev far",
                          f"route add local {NETWORK}.0.0/16 dev lo"):
            subprocess.run(["ip"] + arguments.split(), check=True)
        hold(control)

    mine, control = socket.socketpair()
    child(stack, live_there, control)
    pid = ours.recv(16).decode()
    for arguments in ("link add near type veth peer name far", f"link set far netns {pid}", "link set near up",
                      f"addr add {HERE}/24 dev near", f"route add {NETWORK}.0.0/16 via {THERE}"):
        subprocess.run(["ip"] + arguments.split(), check=True)
    theirs.close()
    ours.send(b"!")
    mine.recv(1)
    offer["controls"].append(mine)
    # Not from sysfs, which shows the network that mounted it.
    link = f"nsenter -t {pid} -n ip -o link show far".split()
    links = subprocess.run(link, check=True, capture_output=True, text=True).stdout
    offer["mac"] = re.search(r"link/ether (\S+)", links)[1]


def answer(held, greeting):
    """Greets each peer; those who get nothing are let go at once."""
    while True:
        with contextlib.suppress(OSError):
            peer, _ = held.accept()
            with peer:
                if greeting:
                    peer.settimeout(5)
                    peer.sendall(greeting)
                    peer.recv(1)


def make_certificate(folder):
    """A certificate for localhost that is its own authority, and its key."""
    certificate, key = os.path.join(folder, "ca.pem"), os.path.join(folder, "key.pem")
    subprocess.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split()
        + "-addext subjectAltName=DNS:localhost,IP:127.0.0.1".split()
        + "-addext basicConstraints=critical,CA:FALSE".split()
        + ["-out", certificate, "-keyout", key],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return certificate, key


NGINX = """
daemon off; pid {folder}/pid; error_log {folder}/log; worker_processes 2; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {folder}/1; proxy_temp_path {folder}/2; fastcgi_temp_path {folder}/3;
    uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
    server {{
        listen 0.0.0.0:{port} ssl reuseport backlog=4096;
        ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
        return 200 ok;
    }}
}}
"""


def serve_tls(stack, folder, certificate, key):
    """nginx: the server must not be what is measured."""
    path = os.path.join(folder, "nginx.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write(NGINX.format(folder=folder, port=PORTS["tls"], certificate=certificate, key=key))
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    # The group of its own goes to no terminal; SIGTERM ends its workers too.
    server = subprocess.Popen([nginx, "-e", f"{folder}/log", "-c", path], stdin=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    stack.callback(server.wait)
    stack.callback(server.terminate)
    for _ in range(200):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", PORTS["tls"]), 1):
            return
        time.sleep(0.05)
    sys.exit("bench: nginx did not start")


def slow_link(stack):
    """A TUN between NEAR and FAR. What goes to FAR comes back late with both addresses exchanged, from FAR to NEAR: so
    this host answers itself, each way after half a round trip, and no checksum changes. All else is lost."""
    try:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"slow", 0x1001))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
    except OSError:
        return False
    for arguments in (
        f"addr add {NEAR} peer {FAR} dev slow",
        "link set slow up mtu 1500 txqueuelen 10000",
        f"route add {NOWHERE}.0.0/16 dev slow",
    ):
        subprocess.run(["ip"] + arguments.split(), check=True)
    child(stack, delay, tun)
    os.close(tun)
    return True


def delay(tun):
    far, late = socket.inet_aton(FAR), []
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        if select.select([tun], [], [], wait)[0]:
            packet = os.read(tun, 65535)
            if packet[0] >> 4 == 4 and packet[16:20] == far:
                packet = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
                heapq.heappush(late, (time.monotonic() + ROUND_TRIP / 2, packet))
        while late and late[0][0] <= time.monotonic():
            os.write(tun, heapq.heappop(late)[1])


def resolve():
    """A name server for which every name has the address FAR, and no other."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((NEAR, PORTS["dns"]))
    while True:
        query, peer = server.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        address = query[end - 4 : end - 2] == b"\0\x01"
        head = query[:2] + struct.pack(">HHHHH", 0x8180, 1, int(address), 0, 0)
        record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(FAR)
        server.sendto(head + query[12:end] + (record if address else b""), peer)
