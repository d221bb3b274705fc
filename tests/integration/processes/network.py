"""A network of real validator processes on loopback, which a test can kill, stop, start and talk to."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TextIO

import aiohttp
import orjson

from ledger.crypto import SigningKey
from ledger.genesis import Genesis
from ledger.operations.accounts import AccountAdd
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.parameters import Parameters
from ledger.transaction import assemble, build_body, parse_transaction, sign_body
from ledger.validators import Quorum
from node.devnet import Layout, found
from node.identity import load_signing_key

PATIENCE_SECONDS = 120
"""How long anything may take before a test gives up: far more than it ever does, however slow the machine is."""

PARAMETERS = Parameters(base_timeout_ms=1_000, timeout_ms_max=8_000)


class ProcessNetwork:
    """n validators as processes, with room for further homes. Leaving the context kills whatever still runs."""

    def __init__(
        self,
        home: Path,
        validators: int = 4,
        quorum: Quorum | None = None,
        *,
        homes: int = 0,
        parameters: Parameters = PARAMETERS,
    ) -> None:
        """`homes` is how many there will ever be, of founders and of others; all founders' when it is 0."""
        self.homes = homes or validators
        self.layout = Layout(home / "network", validators, free_base_port(self.homes))
        self.genesis: Genesis = found(self.layout, quorum, parameters)
        self.council: SigningKey = load_signing_key(self.layout.home / "council.pem")
        self.alice = SigningKey(bytes(31) + b"\1")
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._nonce = 0

    async def __aenter__(self) -> ProcessNetwork:
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        for index in list(self._processes):
            self.kill(index)
        if error is not None:  # pytest shows what was printed beside the failure
            for index in range(self.homes):
                log = self.layout.validator_home(index) / "node.log"
                if log.exists():
                    sys.stdout.write(f"--- v{index}\n" + "\n".join(log.read_text().splitlines()[-15:]) + "\n")

    # ---- processes

    @property
    def running(self) -> tuple[int, ...]:
        """Whose processes were started and not ended."""
        return tuple(self._processes)

    def start(self, *indices: int, program: Sequence[str] = ("-m", "node")) -> None:
        """Start validators (all, when none is named); `program` is what Python runs as quorum-node."""
        for index in indices or range(self.layout.validators):
            home = self.layout.validator_home(index)
            with (home / "node.log").open("ab") as log:
                command = [sys.executable, *program, "start", "--home", str(home)]
                self._processes[index] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, *indices: int) -> None:
        """kill -9, all of them before waiting for any."""
        for index in indices:
            self._processes[index].kill()
        for index in indices:
            self._processes.pop(index).wait()

    def stop(self, index: int, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask for an end by this signal, and the exit code."""
        self._processes[index].send_signal(number)
        return self._processes.pop(index).wait(PATIENCE_SECONDS)

    def exit_code(self, index: int) -> int:
        """Wait until a process has ended by itself."""
        return self._processes.pop(index).wait(PATIENCE_SECONDS)

    def poll(self, index: int) -> int | None:
        """The exit code of a process that has ended by itself, once; None while it runs."""
        code = self._processes[index].poll()
        if code is not None:
            del self._processes[index]
        return code

    def pause(self, index: int, *, paused: bool) -> None:
        """SIGSTOP: it does nothing, and its sockets stay open; or SIGCONT."""
        self._processes[index].send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def process_id(self, index: int) -> int:
        """The process of a validator that runs."""
        return self._processes[index].pid

    def log(self, index: int) -> str:
        """What a validator has logged."""
        return (self.layout.validator_home(index) / "node.log").read_text()

    # ---- talking to them

    def url(self, index: int) -> str:
        """The API of a validator."""
        return f"http://{self.layout.api(index)}"

    async def get_bytes(self, index: int, path: str) -> bytes:
        """The exact answer of a validator's API."""
        async with self.session.get(self.url(index) + path) as answer:
            return await answer.read()

    async def get(self, index: int, path: str) -> dict[str, object]:
        """The JSON answer of a validator's API."""
        document: dict[str, object] = orjson.loads(await self.get_bytes(index, path))
        return document

    async def status(self, index: int) -> dict[str, object]:
        """`/v1/status` of a validator."""
        return await self.get(index, "/v1/status")

    async def height(self, index: int) -> int:
        """The height of a validator's chain."""
        return int((await self.status(index))["head"]["height"])  # type: ignore[index, call-overload, no-any-return]

    async def no_evidence(self) -> None:
        """No node that runs has seen a validator sign two different things, nor any peer misbehave."""
        for index in self.running:
            for path in ("/v1/evidence", "/v1/evidence/unrecorded"):
                assert (await self.get(index, path))["items"] == []
            assert "misbehaved" not in self.log(index)

    async def until(self, what: str, holds: Callable[[], Awaitable[bool]]) -> None:
        """Return as soon as something holds; fail, naming it, when it never does."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                if await holds():
                    return
            except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError):  # killed before, or in the middle
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, f"it never came about that {what}"
            await asyncio.sleep(0.02)

    async def until_ready(self, *indices: int, peers: int | None = None) -> None:
        """Return when the validators (all, when none is named) answer and are linked to `peers` others."""
        wanted = self.layout.validators - 1 if peers is None else peers

        async def ready(index: int) -> bool:
            async with self.session.get(f"{self.url(index)}/readyz?minPeers={wanted}") as answer:
                return answer.status == 200

        for index in indices or range(self.layout.validators):
            await self.until(f"v{index} is ready", lambda index=index: ready(index))  # type: ignore[misc]

    async def until_height(self, index: int, height: int) -> None:
        """Return when a validator's chain has reached `height`."""

        async def reached() -> bool:
            return await self.height(index) >= height

        await self.until(f"v{index} is at height {height}", reached)

    # ---- transactions

    def sign(
        self,
        sender: str,
        key: SigningKey,
        *operations: Operation,
        cosigners: Mapping[str, SigningKey] = MappingProxyType({}),
        valid_for_ms: int = 600_000,
    ) -> bytes:
        """An envelope with a nonce of its own."""
        self._nonce += 1
        body = build_body(
            chain=self.genesis.chain,
            sender=sender,
            nonce=os.getpid().to_bytes(8, "big") + self._nonce.to_bytes(8, "big"),
            valid_until_ms=time.time_ns() // 1_000_000 + valid_for_ms,
            operations=operations,
            cosigners=cosigners,
        )
        return assemble(body, [sign_body(body, each) for each in (key, *cosigners.values())])

    def record(self, text: str) -> bytes:
        """An envelope by alice: one record of the stream `notes`."""
        return self.sign("alice", self.alice, RecordAppend(by="alice", stream="notes", content=Content(text)))

    async def submit(self, index: int, envelope: bytes, *, wait: int = 30) -> dict[str, object]:
        """Submit to a validator, wait for the outcome, and return the answer."""
        headers = {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
        async with self.session.post(f"{self.url(index)}/v1/transactions", data=envelope, headers=headers) as answer:
            document: dict[str, object] = orjson.loads(await answer.read())
            return {"http_status": answer.status, **document}

    async def commit(self, envelope: bytes, *indices: int) -> dict[str, object]:
        """Offer an envelope to these validators in turn, as a client does, until it is committed; the answer then."""
        doors, answers = cycle(indices), list[dict[str, object]]()

        async def committed() -> bool:
            answer = await self.submit(next(doors), envelope, wait=5)
            assert answer["http_status"] in (200, 202, 429, 503), answer
            answers.append(answer)
            return answer.get("state") == "committed"

        await self.until(f"{id_of(envelope)} is committed", committed)
        return answers[-1]

    async def submit_many(self, index: int, envelopes: Sequence[bytes]) -> list[dict[str, object]]:
        """Submit a batch to a validator; its results, in order."""
        async with self.session.post(
            f"{self.url(index)}/v1/transactions",
            data=b"\n".join(envelopes),
            headers={"Content-Type": "application/x-ndjson"},
        ) as answer:
            results: list[dict[str, object]] = orjson.loads(await answer.read())["results"]
            return results

    async def register(self) -> None:
        """Add the account `alice` and her stream `notes`."""
        account = AccountAdd(by="council", name="alice", keys=(self.alice.public_key,), threshold=1)
        for envelope in (
            self.sign("council", self.council, account),
            self.sign("alice", self.alice, StreamCreate(by="alice", name="notes")),
        ):
            answer = await self.submit(0, envelope)
            assert answer.get("result") == "applied", answer

    async def until_committed(self, index: int, envelopes: Sequence[bytes]) -> None:
        """Return when a validator says of every one of the transactions that it is committed."""
        for envelope in envelopes:

            async def committed(envelope: bytes = envelope) -> bool:
                return (await self.get(index, f"/v1/transactions/{id_of(envelope)}"))["state"] == "committed"

            await self.until(f"v{index} has committed {id_of(envelope)}", committed)


def id_of(envelope: bytes) -> str:
    """The id of a well-formed envelope, hex."""
    return parse_transaction(envelope).id.hex()  # type: ignore[union-attr]


def free_base_port(validators: int) -> int:
    """A base port with 2n free ports from it on, reserved against other tests while this process lives."""
    for base in range(20_000, 32_000, _PORTS_PER_SLOT):
        slot = (Path(tempfile.gettempdir()) / f"quorum-ledger-test-ports-{base}").open("w")
        try:
            fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            slot.close()
            continue
        if 2 * validators <= _PORTS_PER_SLOT and all(_is_free(port) for port in range(base, base + 2 * validators)):
            _SLOTS.append(slot)
            return base
        slot.close()
    raise AssertionError("no free ports")


_PORTS_PER_SLOT = 20
_SLOTS: list[TextIO] = []  # the locks that this process holds


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
