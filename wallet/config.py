"""The wallet's configuration: one strict TOML file of profiles, and what wins over what.

    default_profile = "main"

    [profiles.main]
    nodes = ["http://127.0.0.1:8301", "https://ledger.example"]
    genesis = "/home/ann/.config/quorum-wallet/main.genesis.json"
    genesis_hash = "9f2c..."
    account = "acme"
    keys = ["ann"]

A value comes from the flag, else the environment (`QUORUM_*`), else the profile, else the default. An unknown key is
an error with a suggestion: a misspelt pin that is silently ignored would be worse than none. The file is at
`$XDG_CONFIG_HOME/quorum-wallet/config.toml` (`~/.config` without it); keys are in `keys/` beside it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias

from wallet.exit_codes import usage_error
from wallet.files import PRIVATE, create_private_directory, replace_file

Value: TypeAlias = str | tuple[str, ...]

DEFAULT_PROFILE = "default"
CONFIG_BYTES_MAX = 1024 * 1024
_PROFILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of a profile: its environment variable, its default, and what it means."""

    environment: str
    default: Value
    help: str

    @property
    def is_list(self) -> bool:
        """Whether the key has several values."""
        return isinstance(self.default, tuple)


SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        "nodes": Setting("QUORUM_NODE", (), "URLs of the nodes to ask, tried in turn; in the environment, by comma"),
        "genesis": Setting("QUORUM_GENESIS", "", "path of the genesis file"),
        "genesis_hash": Setting("QUORUM_GENESIS_HASH", "", "the pinned hash of genesis: which chain this is"),
        "checkpoint": Setting("QUORUM_CHECKPOINT", "", "path of a checkpoint file, a later anchor than genesis"),
        "account": Setting("QUORUM_ACCOUNT", "", "the account that transactions are sent by"),
        "keys": Setting("QUORUM_KEYS", (), "key files (or names in the key directory) to sign with; by comma"),
        "token_file": Setting("QUORUM_TOKEN_FILE", "", "file of the bearer tokens that nodes are shown"),
        "output": Setting("QUORUM_OUTPUT", "text", "text, json or jsonl"),
        "timeout": Setting("QUORUM_TIMEOUT", "60", "seconds to wait for nodes, and for a transaction's outcome"),
    }
)
"""The keys of a profile. Flags have the same names, in the singular where they repeat."""


@dataclass(frozen=True, slots=True)
class Config:
    """The file, checked: profiles by name, each with the keys that it sets."""

    path: Path
    default_profile: str = DEFAULT_PROFILE
    profiles: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)

    @property
    def key_directory(self) -> Path:
        """Where key files are looked up by name."""
        return self.path.parent / "keys"


def default_path(environment: Mapping[str, str]) -> Path:
    """Where the file is unless `--config` says otherwise."""
    if given := environment.get("QUORUM_CONFIG"):
        return Path(given).expanduser()
    base = environment.get("XDG_CONFIG_HOME")
    return (Path(base) if base else Path.home() / ".config") / "quorum-wallet" / "config.toml"


def load(path: Path) -> Config:
    """The configuration at `path`; an empty one when there is no file. Raises `WalletError` (2), naming the key."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return Config(path)
    try:
        document = tomllib.loads(data[:CONFIG_BYTES_MAX].decode())
    except (ValueError, RecursionError) as error:  # also for too many digits, and for what nests too deep
        raise usage_error(f"{path} is not TOML: {error}", code="config", remedy="Correct the file.") from None
    _refuse_unknown(document, ("default_profile", "profiles"), f"{path}")
    default_profile = document.get("default_profile", DEFAULT_PROFILE)
    tables = document.get("profiles", {})
    if not isinstance(default_profile, str) or not isinstance(tables, dict):
        raise usage_error(f"{path}: default_profile is a string and profiles a table", code="config")
    profiles = {name: _profile(table, f"[profiles.{name}] of {path}") for name, table in tables.items()}
    return Config(path, default_profile, profiles)


def save(config: Config) -> None:
    """Write the file, whole or not at all. Comments in the old one are not kept."""
    lines = ["# Written by quorum-wallet; see: quorum-wallet config --help", ""]
    lines.append(f"default_profile = {_toml(config.default_profile)}")
    for name, profile in config.profiles.items():
        lines += ["", f"[profiles.{name}]"]
        lines += [f"{key} = {_toml(value)}" for key, value in profile.items()]
    create_private_directory(config.path.parent)
    replace_file(config.path, ("\n".join(lines) + "\n").encode(), mode=PRIVATE)


def with_value(config: Config, profile: str, key: str, values: tuple[str, ...]) -> Config:
    """`config` with one key of one profile set (or, without values, removed). Raises `WalletError` (2)."""
    check_key(key)
    check_profile_name(profile)
    setting = SETTINGS[key]
    if not setting.is_list and len(values) > 1:
        raise usage_error(f"'{key}' takes one value, not {len(values)}.")
    changed = {name: value for name, value in config.profiles.get(profile, {}).items() if name != key}
    if values:
        changed[key] = values if setting.is_list else values[0]
    profiles = {**config.profiles, profile: changed}
    default_profile = config.default_profile if config.profiles else profile
    return Config(config.path, default_profile, profiles)


def check_key(key: str) -> None:
    """Raise `WalletError` (2), with a suggestion, unless `key` is a key of a profile."""
    _refuse_unknown({key: None}, tuple(SETTINGS), "the configuration")


def check_profile_name(name: str) -> None:
    """Raise `WalletError` (2) unless `name` can be a profile's."""
    if not _PROFILE_NAME.fullmatch(name):
        raise usage_error(f"'{name}' cannot be a profile's name: letters, digits, '-' and '_' only.")


def resolve(
    config: Config,
    profile: str | None,
    flags: Mapping[str, Value],
    environment: Mapping[str, str],
    *,
    may_be_new: bool = False,
) -> dict[str, Value]:
    """The value of every setting: flag, else environment, else profile, else default.

    Raises `WalletError` (2) when a profile was asked for that does not exist, unless it `may_be_new`.
    """
    name = profile or environment.get("QUORUM_PROFILE") or config.default_profile
    asked_for = bool(profile or environment.get("QUORUM_PROFILE"))
    if asked_for and name not in config.profiles and not may_be_new:
        known = ", ".join(config.profiles) or "none yet"
        raise usage_error(
            f"There is no profile '{name}' in {config.path} (profiles: {known}).",
            remedy=f"Create it: quorum-wallet config set --profile {name} nodes URL",
        )
    chosen = config.profiles.get(name, {})
    resolved: dict[str, Value] = {}
    for key, setting in SETTINGS.items():
        from_environment = environment.get(setting.environment)
        if flags.get(key):
            resolved[key] = flags[key]
        elif from_environment:
            resolved[key] = _split(from_environment) if setting.is_list else from_environment
        else:
            resolved[key] = chosen.get(key, setting.default)
    return resolved


def profile_name(config: Config, profile: str | None, environment: Mapping[str, str]) -> str:
    """The profile in use."""
    return profile or environment.get("QUORUM_PROFILE") or config.default_profile


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _profile(table: object, where: str) -> dict[str, Value]:
    if not isinstance(table, dict):
        raise usage_error(f"{where} must be a table", code="config")
    _refuse_unknown(table, tuple(SETTINGS), where)
    profile: dict[str, Value] = {}
    for key, value in table.items():
        if SETTINGS[key].is_list:
            if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
                raise usage_error(f"{key} in {where} must be a list of strings", code="config")
            profile[key] = tuple(value)
        elif isinstance(value, str):
            profile[key] = value
        else:
            raise usage_error(f'{key} in {where} must be a string: {key} = "..."', code="config")
    return profile


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            suggestion = f"Did you mean '{near[0]}'?" if near else f"Known keys: {', '.join(known)}."
            raise usage_error(f"Unknown key '{key}' in {where}.", code="config", remedy=suggestion)


def _toml(value: Value) -> str:
    """A TOML string or list of strings; a basic string of TOML is a string of JSON, but for DEL."""
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(item) for item in value)}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
