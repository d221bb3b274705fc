"""A network on one machine, for trying things: files of n validators on loopback, and their processes.

It is the real thing in small: every validator is a process of its own with its own keys, database and TLS links; only
the ceremony (each organisation on its own machine, hashes compared over the telephone) is left out.

    DIR/genesis.json         the network's genesis
    DIR/council.pem          key of the account `council`, the administrator
    DIR/org<i>.pem           key of the account `org<i>`, operator of validator v<i>
    DIR/v<i>/                home of validator i: API on base port + 2i, peers on base port + 2i + 1
"""

from __future__ import annotations

import secrets
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from ledger.genesis import Genesis, Operator, assemble_genesis, parse_genesis
from ledger.limits import GENESIS_SALT_BYTES, VALIDATORS_MAX
from ledger.parameters import Parameters
from ledger.roles import Role
from ledger.state import Account
from ledger.validators import Quorum, default_quorum
from node.config import FILE_NAME, Endpoint, load
from node.home import HomeError, adopt, make_validator_home
from node.identity import create_key

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a development network's files and ports are."""

    home: Path
    validators: int
    base_port: int

    @property
    def genesis(self) -> Path:
        """The genesis document."""
        return self.home / "genesis.json"

    def validator_home(self, index: int) -> Path:
        """The home of validator `index`."""
        return self.home / f"v{index}"

    def api(self, index: int) -> Endpoint:
        """The API of validator `index`."""
        return Endpoint("127.0.0.1", self.base_port + 2 * index)

    def peers(self, index: int) -> Endpoint:
        """The peer listener of validator `index`."""
        return Endpoint("127.0.0.1", self.base_port + 2 * index + 1)


def found(layout: Layout, quorum: Quorum | None, parameters: Parameters) -> Genesis:
    """Make the files of a new network, or read those of one that is there with as many validators.

    Raises `HomeError` when what is there is something else, and `MalformedError` for an impossible quorum.
    """
    if layout.genesis.exists():
        return _found_earlier(layout)
    if not 1 <= layout.validators <= VALIDATORS_MAX:
        raise HomeError(f"a network has 1 to {VALIDATORS_MAX} validators")
    if layout.base_port + 2 * layout.validators > 65_536:
        raise HomeError("the base port is too high for that many validators")
    (quorum or default_quorum(layout.validators)).size(layout.validators)
    if layout.home.exists() and any(layout.home.iterdir()):
        raise HomeError(f"{layout.home} is not empty and holds no network: name another --home, or clear it")
    layout.home.mkdir(parents=True, exist_ok=True)
    council = Account("council", (create_key(layout.home / "council.pem"),), 1, (Role.ADMINISTRATOR,))
    cards = []
    for index in range(layout.validators):
        operator = Operator(f"org{index}", (create_key(layout.home / f"org{index}.pem"),), 1)
        cards.append(
            make_validator_home(
                layout.validator_home(index),
                name=f"v{index}",
                operator=operator,
                address=layout.peers(index),
                peer_listen=layout.peers(index),
                api_listen=layout.api(index),
            )
        )
    genesis = assemble_genesis(
        network="devnet",
        salt=secrets.token_bytes(GENESIS_SALT_BYTES),
        time_ms=time.time_ns() // 1_000_000,
        quorum=quorum or default_quorum(layout.validators),
        parameters=parameters,
        cards=tuple(cards),
        administrators=(),
        further_accounts=(council,),
    )
    for index in range(layout.validators):
        adopt(load(layout.validator_home(index) / FILE_NAME), genesis.document, expected=genesis.chain)
    # Last, so that a network that was made in part is never taken for a whole one.
    layout.genesis.write_bytes(genesis.document)
    return genesis


def _found_earlier(layout: Layout) -> Genesis:
    """The genesis of the network that is in `layout.home` already."""
    genesis = parse_genesis(layout.genesis.read_bytes())
    if len(genesis.validators) != layout.validators:
        raise HomeError(
            f"{layout.home} holds a network of {len(genesis.validators)} validators, not {layout.validators}"
        )
    listen = load(layout.validator_home(0) / FILE_NAME).api_listen
    if listen != layout.api(0):
        raise HomeError(f"{layout.home} holds a network with base port {listen.port}, not {layout.base_port}")
    return genesis


class Processes:
    """The validators' processes. Use as a context manager: leaving it stops them all, orderly."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every validator and return when each is ready. Raises `HomeError` when one is not."""
        for index in range(self._layout.validators):
            home = self._layout.validator_home(index)
            with (home / "node.log").open("ab") as log:
                self._running[index] = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
                    [sys.executable, "-m", "node", "start", "--home", str(home)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    # Ctrl-C reaches the whole foreground group; only this process is to hear it, and stops the others.
                    start_new_session=True,
                )
            (home / "node.pid").write_text(f"{self._running[index].pid}\n")
        deadline = time.monotonic() + READY_SECONDS_MAX
        for index in range(self._layout.validators):
            self._wait_until_ready(index, deadline)

    def ended(self) -> dict[int, int]:
        """The exit codes of the validators that have ended, by index; each is reported once."""
        codes = {index: code for index, child in self._running.items() if (code := child.poll()) is not None}
        for index in codes:
            del self._running[index]
        return codes

    def stop(self) -> None:
        """Stop all processes and wait for them; one that does not end in time is killed."""
        for child in self._running.values():
            child.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS_MAX
        for child in self._running.values():
            try:
                child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._running.clear()

    def _wait_until_ready(self, index: int, deadline: float) -> None:
        """Return when validator `index` answers that it is ready to take transactions."""
        url = f"http://{self._layout.api(index)}/readyz?minPeers={min(1, self._layout.validators - 1)}"
        log = self._layout.validator_home(index) / "node.log"
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                code = self._running[index].poll()
                if code is not None:
                    raise HomeError(f"v{index} ended with code {code}; its log: {log}") from None
            if time.monotonic() > deadline:
                raise HomeError(f"v{index} is not ready after {READY_SECONDS_MAX} s; its log: {log}")
            time.sleep(_POLL_SECONDS)
