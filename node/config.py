"""The node's configuration: one TOML file, read strictly, with every path and address resolved.

An unknown key is an error that names the nearest known one: a misspelt setting must never be a silent default.
Paths are relative to the file. `EXAMPLE` is what `quorum-node init` writes, and doubles as the documentation.
"""

from __future__ import annotations

import difflib
import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from ledger.errors import MalformedError
from ledger.limits import PROOF_HEIGHTS_DEFAULT, PROOF_HEIGHTS_MAX, PROOF_HEIGHTS_MIN, VERIFY_WORKERS_MAX
from ledger.primitives import PublicKey, parse_public_key

FILE_NAME = "node.toml"


class ConfigError(Exception):
    """A configuration that can't be used. The message names the file and the key, and says what to write."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host (name or address) and a TCP port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


_PORT_DIGITS_MAX = 5


def parse_endpoint(text: str, what: str) -> Endpoint:
    """`host:port` (or `[v6]:port`) as an `Endpoint`. Raises `MalformedError`, naming `what`."""
    host, colon, port = text.rpartition(":")
    is_number = port.isascii() and port.isdecimal() and len(port) <= _PORT_DIGITS_MAX
    if not colon or not host or not is_number or not 0 < int(port) < 65_536:
        raise MalformedError(f'{what} must be "host:port", not {text!r}')
    return Endpoint(host.removeprefix("[").removesuffix("]"), int(port))


@dataclass(frozen=True, slots=True)
class PinnedPeer:
    """A peer that the validator set doesn't list: a follower, a joiner, or one whose key was replaced meanwhile."""

    endpoint: Endpoint | None
    node_key: PublicKey


@dataclass(frozen=True, slots=True)
class Config:
    """Everything a node needs to be told. Built by `load`; paths are absolute. `verify_workers` is None for as many as
    there are cores (`node.verification`)."""

    path: Path
    genesis_path: Path
    data_path: Path
    node_key_path: Path
    consensus_key_path: Path | None
    cosigning_key_path: Path | None
    key_passphrase_path: Path | None
    peer_listen: Endpoint
    pinned_peers: tuple[PinnedPeer, ...]
    api_listen: Endpoint
    api_tls_certificate_path: Path | None
    api_tls_key_path: Path | None
    api_token_paths: tuple[Path, ...]
    api_open_submission: bool
    api_open_metrics: bool
    proof_heights: int
    verify_workers: int | None
    log_format: Literal["plain", "json"]
    log_level: Literal["debug", "info", "warning", "error"]


class _Keys(msgspec.Struct, forbid_unknown_fields=True):
    node: str = "keys/node.pem"
    consensus: str | None = None
    cosigning: str | None = None
    passphrase_file: str | None = None


class _Pin(msgspec.Struct, forbid_unknown_fields=True):
    node_key: str
    address: str | None = None


class _Peers(msgspec.Struct, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:8471"
    pinned: list[_Pin] = msgspec.field(default_factory=list)


class _Api(msgspec.Struct, forbid_unknown_fields=True):
    listen: str = "127.0.0.1:8470"
    tls_certificate: str | None = None
    tls_key: str | None = None
    insecure: bool = False
    token_files: list[str] = msgspec.field(default_factory=list)
    open_submission: bool = False
    open_metrics: bool = False


class _Log(msgspec.Struct, forbid_unknown_fields=True):
    format: Literal["plain", "json"] = "plain"
    level: Literal["debug", "info", "warning", "error"] = "info"


class _File(msgspec.Struct, forbid_unknown_fields=True):
    genesis: str = "genesis.json"
    data: str = "data"
    keys: _Keys = msgspec.field(default_factory=_Keys)
    peers: _Peers = msgspec.field(default_factory=_Peers)
    api: _Api = msgspec.field(default_factory=_Api)
    log: _Log = msgspec.field(default_factory=_Log)
    proof_heights: int = PROOF_HEIGHTS_DEFAULT
    verify_workers: int | None = None


_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "": _File,
    "keys": _Keys,
    "peers": _Peers,
    "peers.pinned": _Pin,
    "api": _Api,
    "log": _Log,
}

EXAMPLE = """\
# Configuration of a quorum-node. Paths are relative to this file; an unknown key is an error.
genesis = "{genesis}"        # the network's genesis document; its hash is the chain's identity
data = "data"                   # database and guard file; belongs to this node alone, never copy it to another
# proof_heights = 256           # newest heights whose state can be proved; values are kept for ever
# verify_workers = 0            # processes that verify signatures; without this line, one per core if there are several

[keys]                          # files of this node only, readable by nobody else (mode 0600)
node = "keys/node.pem"            # authenticates links to peers
consensus = "keys/consensus.pem"  # signs proposals and votes; leave out for a follower
cosigning = "keys/cosigning.pem"  # signs checkpoints; leave out for a follower

[peers]
listen = "{peer_listen}"      # where other nodes connect (mutual TLS, pinned to keys)
# [[peers.pinned]]              # nodes beyond the validator set: followers, joiners
# address = "host:8471"
# node_key = "hex"

[api]
listen = "{api_listen}"       # HTTP API; off loopback it wants TLS, or insecure = true said out loud
# tls_certificate = "api.crt"
# tls_key = "api.key"
# token_files = ["api-tokens"]    # only with a bearer token; a token, or sha256:HEX of one, on each line (mode 0600)
# open_submission = true          # who submits needs none all the same: transactions are signed
# open_metrics = true             # nor does Prometheus

[log]
format = "plain"                # or "json"
level = "info"
"""


def load(path: Path) -> Config:
    """Read and check the configuration file at `path`. Raises `ConfigError`."""
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also for too many digits, and for what nests too deep
        raise ConfigError(f"{path}: not TOML: {error}") from None
    _refuse_unknown(path, "", raw)
    try:
        file = msgspec.convert(raw, _File)
        return _resolve(path.resolve(), file)
    except (msgspec.ValidationError, MalformedError) as error:
        raise ConfigError(f"{path}: {error}") from None


def _refuse_unknown(path: Path, section: str, table: dict[str, object]) -> None:
    """Raise for the first key of `table` that its section does not have, with the nearest one that it has."""
    known = _SECTIONS[section].__struct_fields__
    for key, value in table.items():
        full = f"{section}.{key}".removeprefix(".")
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            raise ConfigError(f"{path}: unknown key {full!r}; {hint}")
        if full in _SECTIONS:
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, dict):
                    _refuse_unknown(path, full, item)


def _resolve(path: Path, file: _File) -> Config:
    """The file's content with paths made absolute and the rules between keys checked."""

    def absolute(text: str) -> Path:
        return (path.parent / text).resolve()

    def maybe(text: str | None) -> Path | None:
        return None if text is None else absolute(text)

    if not PROOF_HEIGHTS_MIN <= file.proof_heights <= PROOF_HEIGHTS_MAX:
        raise MalformedError(f"proof_heights must be from {PROOF_HEIGHTS_MIN} to {PROOF_HEIGHTS_MAX}")
    if file.verify_workers is not None and not 0 <= file.verify_workers <= VERIFY_WORKERS_MAX:
        raise MalformedError(f"verify_workers must be from 0 to {VERIFY_WORKERS_MAX}")
    api_listen = parse_endpoint(file.api.listen, "api.listen")
    if (file.api.tls_certificate is None) != (file.api.tls_key is None):
        raise MalformedError("api.tls_certificate and api.tls_key belong together")
    if not (api_listen.is_loopback or file.api.tls_certificate or file.api.insecure):
        raise MalformedError(
            f"api.listen {api_listen} is reachable from other machines: set api.tls_certificate and api.tls_key, "
            "or say insecure = true"
        )
    if not file.api.token_files and (file.api.open_submission or file.api.open_metrics):
        raise MalformedError("api.open_submission and api.open_metrics go with api.token_files: without, all is open")
    if (file.keys.consensus is None) != (file.keys.cosigning is None):
        raise MalformedError("keys.consensus and keys.cosigning belong together: a validator has both, a follower none")
    return Config(
        path=path,
        genesis_path=absolute(file.genesis),
        data_path=absolute(file.data),
        node_key_path=absolute(file.keys.node),
        consensus_key_path=maybe(file.keys.consensus),
        cosigning_key_path=maybe(file.keys.cosigning),
        key_passphrase_path=maybe(file.keys.passphrase_file),
        peer_listen=parse_endpoint(file.peers.listen, "peers.listen"),
        pinned_peers=tuple(
            PinnedPeer(
                endpoint=None if pin.address is None else parse_endpoint(pin.address, "peers.pinned.address"),
                node_key=parse_public_key(pin.node_key, "peers.pinned.node_key"),
            )
            for pin in file.peers.pinned
        ),
        api_listen=api_listen,
        api_tls_certificate_path=maybe(file.api.tls_certificate),
        api_tls_key_path=maybe(file.api.tls_key),
        api_token_paths=tuple(absolute(text) for text in file.api.token_files),
        api_open_submission=file.api.open_submission,
        api_open_metrics=file.api.open_metrics,
        proof_heights=file.proof_heights,
        verify_workers=file.verify_workers,
        log_format=file.log.format,
        log_level=file.log.level,
    )
