"""etcd beside the ledger: the same number of members on this machine, as many writes of the same size, both synced.

etcd is what an engineer would take who wants replicated writes and trusts every member. It is measured so that the
price of not trusting them can be read off: what it does not do (`NOT_DONE`) stands beside every figure of it.

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

import asyncio
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmark import latency, machine, saturation
from benchmark.load import BATCH
from benchmark.network import VALIDATORS, Network, running
from tests.integration.verifiers.debian import GO_SOURCES, UnavailableError, go_command, run, unpack

NOT_DONE: Mapping[str, str] = {
    "signatures": "no write is signed by who wants it, and no member verifies anything",
    "lying members": "a member that lies shows each client another history, and nobody can prove that it did",
    "proofs": "a client keeps nothing that proves its write to somebody else, then or years later",
    "audit": "no hash chain and no roots: a history that was rewritten looks like any other",
    "rules": "a put is bytes under a key: no thresholds, quotas, balances, results; roles if they are switched on",
    "history": "no index by account, stream or operation; old revisions are gone once they are compacted",
}
"""What the ledger does for every transaction that is measured here, and etcd does not do."""

MEMBERS = VALIDATORS
_MANY_IN_FLIGHT = 1_000  # requests, with which etcd does the most when each is one put
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
    """What a load of puts came to: per second, the members' CPU-seconds for each, and the ms that a request took."""

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
        cluster = ",".join(f"m{index}={self._peer_url(index)}" for index in range(MEMBERS))
        for index in range(MEMBERS):
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
        for index in range(MEMBERS):
            while not self._healthy(index):
                ended = [number for number, member in enumerate(self._running) if member.poll() is not None]
                if ended:
                    log = (self._directory / f"m{ended[0]}.log").read_text(errors="replace").strip()
                    raise UnavailableError(f"m{ended[0]} has ended: {log[-500:]}")
                if time.monotonic() > deadline:
                    raise UnavailableError(f"m{index} does not get ready")
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
    endpoints = ",".join(members.url(index) for index in range(MEMBERS))
    before = machine.usage(members.pids)
    answer = json.loads(
        run(
            "the load for etcd",
            [str(found.client), "-endpoints", endpoints, *(f"-{name}={value}" for name, value in options.items())],
            seconds=_RUN_SECONDS_MAX,
        )
    )
    used = machine.usage(members.pids).since(before)
    assert answer["keys"] == [count] * MEMBERS, f"etcd has acknowledged {count} puts, and its members have {answer}"
    ours = used.validators + answer["cpu_seconds"]
    return Puts(
        per_second=answer["puts"] / answer["seconds"],
        cpu_seconds_per_put=used.validators / count,
        ms_p50=answer["ms_p50"],
        ms_p99=answer["ms_p99"],
        foreign_load=max(0.0, 1 - (ours + used.own) / used.machine),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """Transactions, and as many puts: in batches, one by one, and of one client that sends one at a time."""

    batches: int
    one_by_one: int
    one_client: int


QUICK = Plan(10_000, 3_000, 200)
FULL = Plan(40_000, 15_000, 1_000)


def run_beside(plan: Plan, base_port: int, say: Callable[[str], None]) -> dict[str, object]:
    """Measure the ledger, and then etcd (the names are those of `--output json`). Raises `UnavailableError`."""
    say("getting etcd ready")
    found = programs()
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        say("measuring the disk's syncs")
        sync_ms = machine.sync_ms_p50(Path(directory))
        with running(base_port) as network:
            say(f"{MEMBERS} validators of the ledger")
            ledger, value_bytes = asyncio.run(_ledger(network, plan))
            verification = machine.verification_rate()
        with Members(found.etcd, Path(directory), base_port) as members:
            say(f"{MEMBERS} members of etcd {found.version}, values of {value_bytes} bytes")
            etcd = _etcd(found, members, plan, value_bytes)
    return {
        **{f"ledger_{name}": value for name, value in ledger.items()},
        **{f"etcd_{name}": value for name, value in etcd.items()},
        "etcd_version": found.version,
        "value_bytes": value_bytes,
        "members": MEMBERS,
        "verify_per_cpu_second": round(verification.per_cpu_second),
        "sync_ms_p50": round(sync_ms, 3),
    }


async def _ledger(network: Network, plan: Plan) -> tuple[dict[str, object], int]:
    """The figures of the ledger, and how long its transactions are."""
    await network.load.prepare()
    one_client = await latency.one_client(network, plan.one_client)
    one_by_one = await latency.one_by_one(network, plan.one_by_one)
    loaded = await saturation.saturated(network, network.load.records(plan.batches))
    figures = {
        "batches_per_second": round(loaded.committed / loaded.used.wall),
        "batches_cpu_microseconds": round(loaded.used.validators / loaded.committed * 1e6),
        "batches_foreign_load": round(loaded.used.foreign_load, 3),
        "one_by_one_per_second": one_by_one["singles_per_second"],
        "one_by_one_cpu_microseconds": one_by_one["singles_validators_cpu_microseconds"],
        "one_by_one_foreign_load": one_by_one["singles_foreign_load"],
        **one_client,
    }
    return figures, round(statistics.mean(map(len, network.load.records(BATCH))))


def _etcd(found: Programs, members: Members, plan: Plan, value_bytes: int) -> dict[str, object]:
    def load(count: int, in_flight: int, batch: int = 1) -> Puts:
        return put(found, members, count, in_flight=in_flight, batch=batch, value_bytes=value_bytes)

    one_client = load(plan.one_client, in_flight=1)
    figures: dict[str, object] = {}
    for name, puts in (
        ("batches", load(plan.batches, saturation.IN_FLIGHT_MAX, BATCH)),
        ("one_by_one", load(plan.one_by_one, latency.CONNECTIONS)),
        ("many_one_by_one", load(plan.batches, _MANY_IN_FLIGHT)),
    ):
        figures[f"{name}_per_second"] = round(puts.per_second)
        figures[f"{name}_cpu_microseconds"] = round(puts.cpu_seconds_per_put * 1e6)
        figures[f"{name}_foreign_load"] = round(puts.foreign_load, 3)
    return figures | {"commit_ms_p50": round(one_client.ms_p50, 2), "commit_ms_p99": round(one_client.ms_p99, 2)}
