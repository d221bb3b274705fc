"""The tour that `scripts/devnet` gives: real wallet commands against the running network, each shown as it is typed."""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from environment import BINARIES

NOT_FOUND = 12  # the wallet's exit code for a name that is not on the ledger


class TourError(Exception):
    """A command of the tour did not do what it should; its output was shown."""


@dataclass(frozen=True, slots=True)
class Tour:
    """Where the network and the wallet's files are."""

    home: Path
    chain: str
    urls: tuple[str, ...]

    @property
    def wallet(self) -> Path:
        """The wallet's configuration, keys and passphrase."""
        return self.home / "wallet"

    def give(self) -> None:
        """All of it; raises `TourError` at the first thing that is not as it should be."""
        self._prepare_wallet()
        self._register()
        receipt = self._record()
        self._verify(receipt)

    def _prepare_wallet(self) -> None:
        self._say("a wallet: pin the network's genesis by its hash, make three keys, take over the administrator's")
        self.wallet.mkdir(exist_ok=True)
        if not (self.wallet / "passphrase").exists():
            descriptor = os.open(self.wallet / "passphrase", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24) + "\n")
        self._wallet("genesis", "pin", self.urls[0], "--hash", self.chain)
        self._run_quietly("quorum-wallet", *self._configured(), "config", "set", "nodes", *self.urls)
        keys = self.wallet / "keys"
        for name in ("alice", "bob", "carol"):
            if not list(keys.glob(f"{name}.*")):
                self._wallet("key", "new", name, *self._passphrase())
        if not list(keys.glob("council.*")):
            self._wallet("key", "import", "council", str(self.home / "council.pem"), *self._passphrase())

    def _register(self) -> None:
        self._say("two accounts, registered by the administrator; `pair` needs both of its keys for everything")
        council = ("--account", "council", "--key-file", "council", *self._passphrase())
        if not self._is_there("account", "show", "alice"):
            self._wallet("account", "add", "alice", "--public-key", "alice", *council)
        if not self._is_there("account", "show", "pair"):
            both = ("--public-key", "bob", "--public-key", "carol", "--threshold", "2")
            self._wallet("account", "add", "pair", *both, *council)
        self._say("a stream of records that both may write to")
        if not self._is_there("stream", "show", "notes"):
            writers = ("--writer", "alice", "--writer", "pair")
            self._wallet("stream", "create", "notes", *writers, *self._as("alice", "alice"))

    def _record(self) -> Path:
        self._say("three records; the last carries two signatures, and its receipt is kept")
        alice, pair = self._as("alice", "alice"), self._as("pair", "bob", "carol")
        self._wallet("record", "append", "notes", "--json", '{"text":"first light"}', *alice)
        self._wallet("record", "append", "notes", "--key", "boat-7", "--json", '{"berth":4}', *alice)
        receipt = self.home / "receipt.json"
        receipt.unlink(missing_ok=True)
        agreed = ("--json", '{"text":"we both agree"}', "--receipt", str(receipt))
        self._wallet("record", "append", "notes", *agreed, *pair)
        self._wallet("history", "pair")
        return receipt

    def _verify(self, receipt: Path) -> None:
        self._say("the receipt proves itself against genesis alone: no network is needed, today or in ten years")
        genesis = ("--genesis", str(self.home / "genesis.json"))
        self._show_and_run("quorum-audit", "verify", str(receipt), *genesis)
        self._say("and the whole chain is verified and executed again, from genesis")
        self._show_and_run("quorum-audit", "ledger", self.urls[-1], *genesis)

    def _as(self, account: str, *keys: str) -> tuple[str, ...]:
        named = tuple(word for key in keys for word in ("--key-file", key))
        return ("--account", account, *named, *self._passphrase())

    def _passphrase(self) -> tuple[str, ...]:
        return ("--passphrase-file", str(self.wallet / "passphrase"))

    def _configured(self) -> tuple[str, ...]:
        return ("--config", str(self.wallet / "config.toml"))

    def _is_there(self, *command: str) -> bool:
        ended = self._run_quietly("quorum-wallet", *self._configured(), *command, check=False)
        if ended not in (0, NOT_FOUND):
            raise TourError(f"quorum-wallet {' '.join(command)} ended with code {ended}")
        return ended == 0

    def _wallet(self, *command: str) -> None:
        self._show_and_run("quorum-wallet", *self._configured(), *command)

    def _show_and_run(self, program: str, *words: str) -> None:
        print(f"\n$ .venv/bin/{program} {shlex.join(map(self._short, words))}", flush=True)
        ended = subprocess.run([str(BINARIES / program), *words], check=False, stdin=subprocess.DEVNULL)
        if ended.returncode != 0:
            raise TourError(f"{program} ended with code {ended.returncode}")

    def _run_quietly(self, program: str, *words: str, check: bool = True) -> int:
        command = [str(BINARIES / program), *words]
        ended = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and ended.returncode != 0:
            sys.stderr.write(ended.stderr)
            raise TourError(f"{program} ended with code {ended.returncode}")
        return ended.returncode

    def _short(self, word: str) -> str:
        """A path below the current directory as one would type it."""
        path = Path(word)
        here = Path.cwd()
        return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else word

    def _say(self, text: str) -> None:
        print(f"\n--- {text}", flush=True)

    def what_next(self) -> str:
        """A short list of things to try while the network is up."""
        config = self._short(str(self.wallet / "config.toml"))
        first = self._short(str(self.home / "v0"))
        return f"""
The network is up. API: {self.urls[0]}   Try:
  .venv/bin/quorum-node status --home {first}
  .venv/bin/quorum-wallet --config {config} record list notes
  .venv/bin/quorum-wallet --config {config} record append --help
  curl {self.urls[0]}/v1/blocks/latest
  curl -N {self.urls[0]}/v1/events
  kill -9 $(cat {first}/node.pid)        and watch the others go on
Ctrl-C stops everything; the next run goes on with the same chain."""
