"""One run of a command: what was asked for on the command line, and the settings that follow from it.

Made before arguments are parsed, filled by the shared options (`wallet.options`) wherever they stand, and read by the
commands. Nothing is resolved before it is needed, so `--help` and offline commands touch neither files nor network.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from wallet import config
from wallet.config import Config, Value
from wallet.exit_codes import usage_error
from wallet.output import Format, Output

if TYPE_CHECKING:
    from ledger.primitives import Digest
    from wallet.client.tokens import Tokens


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force, typed. Empty means "not set"."""

    nodes: tuple[str, ...]
    genesis: str
    genesis_hash: str
    checkpoint: str
    account: str
    keys: tuple[str, ...]
    token_file: str
    timeout_s: float


@dataclass
class Session:
    """What one run knows. `flags` are the values given on the command line, by the name of the setting.

    `profile_may_be_new` is set by the commands that make the profile they are asked for.
    """

    flags: dict[str, Value] = field(default_factory=dict)
    config_path: str | None = None
    profile: str | None = None
    quiet: bool = False
    yes: bool = False
    color: bool = True
    profile_may_be_new: bool = False

    @cached_property
    def config(self) -> Config:
        """The configuration file. Raises `WalletError` (2) when it is wrong."""
        path = Path(self.config_path).expanduser() if self.config_path else config.default_path(os.environ)
        return config.load(path)

    @cached_property
    def profile_name(self) -> str:
        """The profile in use, whether or not it exists yet."""
        return config.profile_name(self.config, self.profile, os.environ)

    @cached_property
    def values(self) -> dict[str, Value]:
        """Every setting, resolved. Raises `WalletError` (2)."""
        return config.resolve(self.config, self.profile, self.flags, os.environ, may_be_new=self.profile_may_be_new)

    @cached_property
    def settings(self) -> Settings:
        """Every setting, typed. Raises `WalletError` (2) for a value that cannot be."""
        # Who names a genesis on the command line, and no checkpoint, wants it verified from there.
        genesis_alone = "genesis" in self.flags and "checkpoint" not in self.flags
        return Settings(
            nodes=tuple(node_url(url) for url in self._list("nodes")),
            genesis=self._text("genesis"),
            genesis_hash=self._text("genesis_hash"),
            checkpoint="" if genesis_alone else self._text("checkpoint"),
            account=self._text("account"),
            keys=self._list("keys"),
            token_file=self._text("token_file"),
            timeout_s=_seconds(self._text("timeout")),
        )

    @cached_property
    def output(self) -> Output:
        """Where results go. Raises `WalletError` (2) for an unknown format."""
        text = self._text("output")
        if text not in tuple(Format):
            raise usage_error(f"'{text}' is no output format; choose text, json or jsonl.")
        return Output(Format(text), quiet=self.quiet, color=self.color)

    def error_output(self) -> Output:
        """Where an error is said, when the configuration itself may be what is wrong."""
        asked = self.flags.get("output") or os.environ.get("QUORUM_OUTPUT") or Format.TEXT
        return Output(Format(asked) if asked in tuple(Format) else Format.TEXT, quiet=self.quiet, color=self.color)

    @cached_property
    def tokens(self) -> Tokens:
        """The bearer tokens that nodes are shown. Raises `WalletError` (2 or 15) for a file that cannot be used.

        What a profile's file has for every node is for the nodes of that profile, and for nobody else that is asked.
        """
        from wallet.client.tokens import NO_TOKENS
        from wallet.token_files import load_tokens

        if not self.settings.token_file:
            return NO_TOKENS
        tokens = load_tokens(Path(self.settings.token_file).expanduser())
        if self.flags.get("token_file") or os.environ.get(config.SETTINGS["token_file"].environment):
            return tokens
        known = self.config.profiles.get(self.profile_name, {}).get("nodes", ())
        return tokens.limited_to((known,) if isinstance(known, str) else known)

    @property
    def nodes(self) -> tuple[str, ...]:
        """The nodes to ask. Raises `WalletError` (2) when none is known."""
        if not self.settings.nodes:
            raise usage_error(
                "No node is configured.",
                remedy="Give --node URL, or: quorum-wallet config set nodes URL",
            )
        return self.settings.nodes

    def chain(self) -> Digest:
        """The pinned chain, without asking anybody. Raises `WalletError` (2) when nothing is pinned."""
        from wallet.pinning import pinned_chain

        return pinned_chain(self.settings)

    def _text(self, key: str) -> str:
        value = self.values[key]
        return value if isinstance(value, str) else ",".join(value)

    def _list(self, key: str) -> tuple[str, ...]:
        value = self.values[key]
        return (value,) if isinstance(value, str) else value


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= 86_400:
        raise usage_error(f"'{text}' is no timeout; give seconds, more than 0 and at most 86400.")
    return seconds


def node_url(url: str) -> str:
    """`url` as the base of a node's API. Raises `WalletError` (2) when it cannot be one."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise usage_error(f"'{url}' is not the URL of a node; it looks like http://127.0.0.1:8301")
    return url.rstrip("/")
