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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ledger.genesis import Card, Genesis, Operator, assemble_genesis, parse_genesis
from ledger.limits import GENESIS_SALT_BYTES, VALIDATORS_MAX
from ledger.parameters import Parameters
from ledger.roles import Role
from ledger.rows.accounts import Account
from ledger.validators import Quorum, default_quorum
from node.config import FILE_NAME, Endpoint, load
from node.home import HomeError, adopt, make_validator_home, replace_file
from node.identity import create_key
from node.preflight import check_port

READY_SECONDS_MAX = 60
STOP_SECONDS_MAX = 20
_POLL_SECONDS = 0.05
START = (sys.executable, "-m", "node", "start", "--home")
"""The command of a validator's process; its home comes behind it."""
_COUNCIL_KEY = "council.pem"  # the first file that is made


class NotReadyError(Exception):
    """A validator's process that ended, or did not get ready in time. The message names its log."""


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
    """Make the files of a new network, or read those of one that is there as asked for.

    Raises `HomeError` when what is there is something else or was made in part, and `MalformedError` for an impossible
    quorum.
    """
    if layout.genesis.exists():
        return _found_earlier(layout, quorum)
    if not 1 <= layout.validators <= VALIDATORS_MAX:
        raise HomeError(f"a network has 1 to {VALIDATORS_MAX} validators")
    if layout.base_port + 2 * layout.validators > 65_536:
        raise HomeError("the base port is too high for that many validators")
    rule = quorum or default_quorum(layout.validators)
    rule.size(layout.validators)
    _refuse_other_content(layout)
    layout.home.mkdir(parents=True, exist_ok=True)
    council = Account("council", (create_key(layout.home / _COUNCIL_KEY),), 1, (Role.ADMINISTRATOR,))
    genesis = assemble_genesis(
        network="devnet",
        salt=secrets.token_bytes(GENESIS_SALT_BYTES),
        time_ms=time.time_ns() // 1_000_000,
        quorum=rule,
        parameters=parameters,
        cards=tuple(_make_validator(layout, index) for index in range(layout.validators)),
        administrators=(),
        further_accounts=(council,),
    )
    for index in range(layout.validators):
        adopt(load(layout.validator_home(index) / FILE_NAME), genesis.document, expected=genesis.chain)
    # Last, so that a network that was made in part is never taken for a whole one.
    replace_file(layout.genesis, genesis.document)
    return genesis


def _make_validator(layout: Layout, index: int) -> Card:
    """The home of validator `index`, and the key of its operator."""
    return make_validator_home(
        layout.validator_home(index),
        name=f"v{index}",
        operator=Operator(f"org{index}", (create_key(layout.home / f"org{index}.pem"),), 1),
        address=layout.peers(index),
        peer_listen=layout.peers(index),
        api_listen=layout.api(index),
        alone=layout.validators == 1,
    )


def _refuse_other_content(layout: Layout) -> None:
    """Raise `HomeError` unless there is room for a new network in `layout.home`."""
    if layout.home.exists() and not layout.home.is_dir():
        raise HomeError(f"{layout.home} is a file: name another --home")
    if not layout.home.exists() or not any(layout.home.iterdir()):
        return
    if (layout.home / _COUNCIL_KEY).exists():
        raise HomeError(
            f"{layout.home} holds a network whose making was cut short, and nothing ran on it: remove the directory "
            "and run this again"
        )
    raise HomeError(f"{layout.home} is not empty and holds no network: name another --home, or clear it")


def _found_earlier(layout: Layout, quorum: Quorum | None) -> Genesis:
    """The genesis of the network that is in `layout.home` already. Raises `HomeError` when it is not as asked for."""
    genesis = parse_genesis(layout.genesis.read_bytes())
    validators = genesis.validators
    if len(validators) != layout.validators:
        raise HomeError(
            f"{layout.home} holds a network of {len(validators)} validators, not {layout.validators}: "
            f"say --validators {len(validators)}, or name another --home"
        )
    if quorum is not None and quorum.size(layout.validators) != validators.quorum:
        raise HomeError(
            f"{layout.home} holds a network with quorum {validators.quorum}, not {quorum.size(layout.validators)}: "
            "leave out --quorum, or name another --home"
        )
    for index, validator in enumerate(validators.validators):
        home = layout.validator_home(index)
        if not (home / FILE_NAME).exists():
            raise HomeError(f"{home / FILE_NAME} is missing, and genesis has {validator.name}: restore it")
        config = load(home / FILE_NAME)
        if config.api_listen != layout.api(index):
            raise HomeError(
                f"{layout.home} holds a network with base port {config.api_listen.port - 2 * index}, "
                f"not {layout.base_port}: name that one, or another --home"
            )
        if not config.genesis_path.exists() or config.genesis_path.read_bytes() != genesis.document:
            raise HomeError(f"{config.genesis_path} is not the genesis of this network: put {layout.genesis} there")
    return genesis


class Processes:
    """The validators' processes. Use as a context manager: leaving it stops them all, orderly."""

    def __init__(self, layout: Layout, command: Sequence[str] = START) -> None:
        self._layout = layout
        self._command = command
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start every validator and return when each is ready.

        Raises `PortError` before any is started when a port is in use (its user would answer in a validator's place),
        and `NotReadyError` when one does not get ready.
        """
        for index in range(self._layout.validators):
            check_port(self._layout.api(index), f"API of v{index}")
            check_port(self._layout.peers(index), f"peer listener of v{index}")
        for index in range(self._layout.validators):
            self._start(index)
        deadline = time.monotonic() + READY_SECONDS_MAX
        for index in range(self._layout.validators):
            self._wait_until_ready(index, deadline)

    def kill(self, index: int) -> None:
        """Kill a validator that runs: it gets no chance to say anything."""
        child = self._running.pop(index)
        child.kill()
        child.wait()

    def start_again(self, index: int) -> None:
        """Start a validator that does not run, and return when it is ready. Raises `NotReadyError`."""
        assert index not in self._running, "it runs"
        self._start(index)
        self._wait_until_ready(index, time.monotonic() + READY_SECONDS_MAX)

    def ended(self) -> dict[int, int]:
        """The exit codes of the validators that have ended, by index; each is reported once."""
        codes = {index: code for index, child in self._running.items() if (code := child.poll()) is not None}
        for index in codes:
            del self._running[index]
        return codes

    def any_running(self) -> bool:
        """Whether a validator still runs, as far as `ended` has seen."""
        return bool(self._running)

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

    def _start(self, index: int) -> None:
        home = self._layout.validator_home(index)
        with (home / "node.log").open("ab") as log:
            self._running[index] = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
                [*self._command, str(home)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Ctrl-C reaches the whole foreground group; only this process is to hear it, and stops the others.
                start_new_session=True,
            )
        (home / "node.pid").write_text(f"{self._running[index].pid}\n")

    def _wait_until_ready(self, index: int, deadline: float) -> None:
        """Return when validator `index` answers that it is ready to take transactions."""
        url = f"http://{self._layout.api(index)}/readyz?minPeers={min(1, self._layout.validators - 1)}"
        log = self._layout.validator_home(index) / "node.log"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback is not for a proxy
        while True:
            try:
                with opener.open(url, timeout=5) as answer:
                    if answer.status == 200:
                        return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                code = self._running[index].poll()
                if code is not None:
                    raise NotReadyError(f"v{index} ended with code {code}; its log: {log}") from None
            if time.monotonic() > deadline:
                raise NotReadyError(f"v{index} is not ready after {READY_SECONDS_MAX} s; its log: {log}")
            time.sleep(_POLL_SECONDS)
