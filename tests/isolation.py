"""A network of loopback alone, with a resolver that knows no name: run a command in it and write down what it tried.

`isolated` gives the command line that does so; it needs Linux and the right to make namespaces.
"""

import fcntl
import ipaddress
import json
import os
import socket
import socketserver
import struct
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

BRING_UP = 0x8914
"""SIOCSIFFLAGS of Linux, which sets the flags of a network device."""
SAMPLE_SECONDS = 0.5
DNS_HEADER_BYTES = 12
NO_SUCH_NAME = 0x8183
"""Flags of a DNS answer: a response, recursion available, NXDOMAIN."""


def new_namespaces() -> list[str]:
    """The command that starts another one in a network and with mounts of its own."""
    as_root = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *as_root, "--net", "--mount"]


def refusal() -> str:
    """Why this machine lets nobody make namespaces; empty if it does."""
    try:
        tried = subprocess.run([*new_namespaces(), "true"], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        return str(error)
    return tried.stderr.strip() if tried.returncode else ""


def isolated(record: Path, *command: str) -> list[str]:
    """A command line that runs `command` isolated, leaves what it tried in `record` and ends with its exit code."""
    return [*new_namespaces(), sys.executable, "-m", "tests.isolation", str(record), *command]


def question(packet: bytes) -> tuple[str, int]:
    """The name that a DNS query asks for, and where the question ends."""
    labels, at = [], DNS_HEADER_BYTES
    while length := packet[at]:
        labels.append(packet[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels), at + 5


class LookUps(socketserver.UDPServer):
    """A resolver on loopback that knows no name and keeps those it was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 53), Answer)
        self.names: set[str] = set()


class Answer(socketserver.BaseRequestHandler):
    """One question, answered with: no such name."""

    server: LookUps

    def handle(self) -> None:
        """Keep the name and answer."""
        packet, connection = self.request
        name, end = question(packet)
        self.server.names.add(name)
        header = packet[:2] + struct.pack("!HHHHH", NO_SUCH_NAME, 1, 0, 0, 0)
        connection.sendto(header + packet[DNS_HEADER_BYTES:end], self.client_address)


def open_loopback() -> None:
    """Bring up the one device of a new network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, BRING_UP, struct.pack("16sh14x", b"lo", 1))


def ask_only_loopback(folder: Path) -> None:
    """Lay over the system's settings, for this namespace, such that name this resolver."""
    switch = Path("/etc/nsswitch.conf")
    lines = switch.read_text().splitlines() if switch.exists() else []
    settings = {
        switch: "\n".join([*(line for line in lines if not line.startswith("hosts:")), "hosts: files dns", ""]),
        Path("/etc/resolv.conf"): "nameserver 127.0.0.1\n",
    }
    for place, content in settings.items():
        if place.exists():
            (folder / place.name).write_text(content)
            subprocess.run(["mount", "--bind", folder / place.name, place], check=True)


def unrouted() -> int:
    """Packets and connections of this network that were meant for an address which no device leads to."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line[:3] == "Ip:")
    version_6 = dict(line.split() for line in Path("/proc/net/snmp6").read_text().splitlines())
    return int(dict(zip(names, values, strict=True))["OutNoRoutes"]) + int(version_6["Ip6OutNoRoutes"])


def open_to_others() -> set[str]:
    """The addresses, loopback aside, on which anything in this network listens."""
    found = set()
    for connection in psutil.net_connections(kind="inet"):
        waits = connection.status in (psutil.CONN_LISTEN, psutil.CONN_NONE)  # the second is UDP's
        if waits and connection.laddr and not connection.raddr:
            host, port = connection.laddr
            if not ipaddress.ip_address(host).is_loopback:
                found.add(f"{host}:{port}")
    return found


def main() -> None:
    """Run the command of the command line in this new network, and write the record."""
    record, command = Path(sys.argv[1]), sys.argv[2:]
    open_loopback()
    listening: set[str] = set()
    with tempfile.TemporaryDirectory() as folder, LookUps() as resolver:
        ask_only_loopback(Path(folder))
        threading.Thread(target=resolver.serve_forever, daemon=True).start()
        process = subprocess.Popen(command)
        while process.poll() is None:
            listening |= open_to_others()
            try:
                process.wait(SAMPLE_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    tried = {"look_ups": sorted(resolver.names), "unrouted": unrouted(), "listening": sorted(listening)}
    record.write_text(json.dumps(tried))
    sys.exit(process.returncode)


if __name__ == "__main__":
    main()
