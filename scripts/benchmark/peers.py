"""etcd beside the ledger: the same number of members on this machine, as many writes of the same size, both synced.

etcd is what an engineer would take who wants replicated writes and trusts every member. It is measured so that the price
of not trusting them can be read off: what it does not do (`NOT_DONE`) stands beside every figure of it.

How the two are kept comparable:

* Four members as four processes on loopback, fresh data, default settings: every write is synced by a quorum before it
  is acknowledged (never --unsafe-no-fsync). Links between members are encrypted in both (etcd: --peer-auto-tls, which
  encrypts without checking who the other is); both answer their clients over plain connections.
* The value of a put is as long as a transaction of the benchmark, its key 32 hex digits; all are distinct.
* The client is a small program with etcd's own Go library (`etcd/main.go`): one in Python would take more of this
  machine than etcd does. It spreads its writes over all members, and has as many on their way as the ledger's load.
* In batches, 100 puts are one etcd transaction, which is one entry of its log: less than a batch of the ledger, whose
  transactions have an outcome each. One by one, every put is a request, as etcd is mostly used.
* The rate is that of the middle eight tenths, and CPU time is the members' alone; in the end every member must have
  every key.

etcd, Go and the library come from Debian's packages, unpacked below `.venv` where they are not installed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark import machine
from benchmark.load import BATCH
from tests.integration.verifiers.debian import GO_SOURCES, UnavailableError, go_command, run, unpack

NOT_DONE: Mapping[str, str] = {
    "signatures": "no write is signed by who wants it, and no member verifies anything",
    "lying members": "a member that lies shows each client another history, and nobody can prove that it did",
    "proofs": "a client keeps nothing that proves its write to somebody else, then or years later",
    "audit": "no hash chain and no roots: a database that was changed is not noticed, and nothing can be executed again",
    "rules": "a put is bytes under a key: no accounts, thresholds, quotas, balances or results are checked",
    "history": "there is no index by account, stream or operation, and old revisions are there until they are compacted",
}
"""What the ledger does for every transaction that is measured here, and etcd does not do."""

IN_FLIGHT_MAX = 4_000  # puts, as in the ledger's load
_ONE_BY_ONE_IN_FLIGHT_MAX = 1_000  # requests: more of them only wait longer
_LATENCY_PUTS = 1_000
_MEMBERS = 4
_CACHE = Path(sys.prefix) / "peers"
_ETCD = Path("usr/bin/etcd")
_CLIENT_LIBRARY = Path("src/go.etcd.io/etcd/clientv3")
_SOURCE = Path(__file__).parent / "etcd" / "main.go"
_READY_SECONDS_MAX = 60
_STOP_SECONDS_MAX = 20
_RUN_SECONDS_MAX = 300


@dataclass(frozen=True, slots=True)
class Programs:
    """etcd, the load for it, and etcd's version."""

    etcd: Path
    client: Path
    version: str


@dataclass(frozen=True, slots=True)
class Puts:
    """What a load of puts came to: per second, the members' CPU-seconds for each, and the latency of a request in ms."""

    per_second: float
    cpu_seconds_per_put: float
    ms_p50: float
    ms_p99: float
    foreign_load: float


def programs() -> Programs:
    """Find etcd and build the load, with what is installed or else what Debian has. Raises `UnavailableError`."""
    _CACHE.mkdir(parents=True, exist_ok=True)
    unpacked = _CACHE / "debian"
    roots = (Path("/"), unpacked)

    def found(path: Path) -> Path | None:
        return next((root / path for root in roots if (root / path).exists()), None)

    etcd, client = _CACHE / "etcd", _CACHE / "etcd-client"
    if not client.exists() or client.stat().st_mtime < _SOURCE.stat().st_mtime:
        if not (go_command(unpacked) and found(_ETCD) and found(GO_SOURCES / _CLIENT_LIBRARY)):
            unpack(("etcd-server", "golang-go", "golang-etcd-server-dev"), unpacked, _CACHE)
        go, server = go_command(unpacked), found(_ETCD)
        if go is None or server is None:
            raise UnavailableError("Debian's packages have no etcd, or no go command")
        environment = {
            **os.environ,
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "GOPATH": ":".join(str(root / GO_SOURCES) for root in roots),
            "GOCACHE": str(_CACHE / "go-cache"),
        }
        shutil.copy(server, etcd)
        run("go build", [str(go), "build", "-o", str(client), str(_SOURCE)], environment=environment)
        for built_from in (unpacked, _CACHE / "go-cache"):
            shutil.rmtree(built_from, ignore_errors=True)  # a gigabyte
    version = re.search(r"etcd Version: (\S+)", run("etcd --version", [str(etcd), "--version"]).decode())
    return Programs(etcd, client, version[1] if version else "unknown")


class Members:
    """Four members of etcd as processes. Leaving the context kills them."""

    def __init__(self, etcd: Path, directory: Path, base_port: int) -> None:
        self._etcd, self._directory, self._base_port = etcd, directory, base_port
        self._running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Members:
        cluster = ",".join(f"m{index}={self._peer_url(index)}" for index in range(_MEMBERS))
        for index in range(_MEMBERS):
            command = {
                "--name": f"m{index}",
                "--data-dir": str(self._data(index)),
                "--listen-client-urls": self.url(index),
                "--advertise-client-urls": self.url(index),
                "--listen-peer-urls": self._peer_url(index),
                "--initial-advertise-peer-urls": self._peer_url(index),
                "--initial-cluster": cluster,
                "--log-level": "error",
            }
            with (self._directory / f"m{index}.log").open("wb") as log:
                words = [str(self._etcd), "--peer-auto-tls", *(word for pair in command.items() for word in pair)]
                self._running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        try:
            self._wait_until_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._running:
            member.kill()
        for member in self._running:
            member.wait(_STOP_SECONDS_MAX)

    @property
    def pids(self) -> list[int]:
        """The process of each member."""
        return [member.pid for member in self._running]

    def url(self, index: int) -> str:
        """Where clients find a member."""
        return f"http://127.0.0.1:{self._base_port + 2 * index}"

    def _peer_url(self, index: int) -> str:
        return f"https://127.0.0.1:{self._base_port + 2 * index + 1}"

    def _data(self, index: int) -> Path:
        return self._directory / f"m{index}"

    def _wait_until_ready(self) -> None:
        """Return when every member is healthy, which takes a leader. Raises `UnavailableError`."""
        deadline = time.monotonic() + _READY_SECONDS_MAX
        for index in range(_MEMBERS):
            while not self._healthy(index):
                if time.monotonic() > deadline or any(member.poll() is not None for member in self._running):
                    log = (self._directory / f"m{index}.log").read_text(errors="replace")[-500:]
                    raise UnavailableError(f"etcd's member m{index} does not get ready: {log}")
                time.sleep(0.1)

    def _healthy(self, index: int) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url(index)}/health", timeout=5) as answer:
                return json.load(answer).get("health") == "true"
        except (urllib.error.URLError, OSError, ValueError):
            return False


def put(found: Programs, members: Members, count: int, *, in_flight: int, batch: int, value_bytes: int) -> Puts:
    """Put `count` values, with all of the client's own checks. Raises `UnavailableError`."""
    options = {"count": count, "in-flight": in_flight, "batch": batch, "value-bytes": value_bytes}
    endpoints = ",".join(members.url(index) for index in range(_MEMBERS))
    before = machine.usage(members.pids)
    answer = json.loads(
        run(
            "the load for etcd",
            [str(found.client), "-endpoints", endpoints, *(f"-{name}={value}" for name, value in options.items())],
            seconds=_RUN_SECONDS_MAX,
        )
    )
    used = machine.usage(members.pids).since(before)
    assert answer["keys"] == [count] * _MEMBERS, f"etcd has acknowledged {count} puts, and its members have {answer}"
    ours = used.validators + answer["cpu_seconds"]
    return Puts(
        per_second=answer["puts"] / answer["seconds"],
        cpu_seconds_per_put=used.validators / count,
        ms_p50=answer["ms_p50"],
        ms_p99=answer["ms_p99"],
        foreign_load=max(0.0, 1 - (ours + used.own) / used.machine),
    )
