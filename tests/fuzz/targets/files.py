"""Files of an operator and of a wallet's owner: configuration, keys, tokens, drafts, what a watch remembers."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ledger.crypto import SigningKey
from ledger.trail import anchor_of
from node import config as node_config
from node.api_tokens import load_access
from node.config import ConfigError, parse_endpoint
from node.http.access import parse_token
from node.identity import IdentityError, create_key, load_passphrase, load_seed, load_signing_key, read_private
from tests.fuzz import samples
from tests.fuzz.target import Feed, Form, Target, text
from wallet import config as wallet_config
from wallet import receipts
from wallet.amounts import to_units
from wallet.auditing.log_files import is_log_file
from wallet.auditing.watch_state import Memory, load_memory, save_memory
from wallet.client.tokens import parse_tokens
from wallet.drafts import parse_draft, read_draft, sign
from wallet.exit_codes import WalletError
from wallet.files import read_bounded
from wallet.keys import read_key_file, unlock
from wallet.moments import parse_span_ms
from wallet.pinning import Pin, check_genesis, parse_genesis_hash, read_checkpoint
from wallet.token_files import load_tokens

_TOKEN = "0123456789abcdef" * 4
_SIGNER = SigningKey(bytes(32))


@cache
def private() -> Path:
    """A directory of this process."""
    directory = Path(tempfile.mkdtemp(prefix="fuzz-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def in_file(read: Callable[[Path], object], name: str = "file") -> Feed:
    """Feed what reads a file."""

    def feed(data: bytes) -> object:
        path = private() / name
        path.touch(0o600)
        path.write_bytes(data)
        return read(path)

    return feed


def _configurations() -> list[bytes]:
    example = node_config.EXAMPLE.format(genesis="genesis.json", peer_listen="127.0.0.1:8471", api_listen="[::1]:8470")
    pinned = '[[peers.pinned]]\naddress = "host:8471"\nnode_key = "' + "ab" * 32 + '"\n'
    return [example.encode(), pinned.encode(), b'[api]\ntoken_files = ["file"]\nopen_submission = true\n']


def _tokens_of_node(data: bytes) -> None:
    in_file(lambda _: None, "tokens")(data)
    load_access(in_file(node_config.load, "node.toml")(b'[api]\ntoken_files = ["tokens"]\n'))  # type: ignore[arg-type]


@cache
def _keys() -> tuple[bytes, ...]:
    path = private() / "made.pem"
    create_key(path)
    plain = path.read_bytes()
    return (plain, b"public key: 00\n" + plain, plain.replace(b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"))


def _memories() -> list[bytes]:
    chain, path = samples.chain(), private() / "memory"
    path.unlink(missing_ok=True)
    save_memory(path, Memory(chain.checkpoint(3), chain.blocks[2][0], {"http://node": 3}))
    return [path.read_bytes()]


def _transactions() -> tuple[bytes, ...]:
    return samples.lines([item["envelope"] for item in samples.vectors("transactions")])


def _profiles() -> list[bytes]:
    return [b'default_profile = "mine"\n[profiles.mine]\nnodes = ["http://a", "http://b"]\ngenesis = "g.json"\n']


def _token_files() -> list[bytes]:
    return [f"# ours\nhttps://node.example:1 {_TOKEN}\n{_TOKEN}\n".encode()]


def _stored_tokens() -> list[bytes]:
    return [f"# ours\n{_TOKEN}  # x\nsha256:{'ab' * 32}\n".encode()]


def _unlock(data: bytes) -> None:
    unlock(in_file(read_key_file, "key.pem")(data), b"secret" if b"ENCRYPTED" in data else None)  # type: ignore[arg-type]


def _load_seed(path: Path) -> None:
    load_seed(path, passphrase=b"secret")


def _checkpoints() -> list[bytes]:
    return [samples.chain().checkpoint(2).document]


def _receipt(data: bytes) -> None:
    receipts.verify(data, Pin(anchor_of(samples.chain().genesis), "test", "the genesis"))


def _sign_draft(data: bytes) -> None:
    """What is done with another party's draft."""
    assert sign(parse_draft(data, what="it"), (_SIGNER,)).envelope


_WALLET = (WalletError,)

TARGETS = (
    Target(
        "configuration of a node", in_file(node_config.load, "node.toml"), _configurations, Form.LINES, (ConfigError,)
    ),
    Target("endpoint", text(lambda said: parse_endpoint(said, "it")), lambda: [b"host:8471", b"[::1]:1"]),
    Target("tokens of a node's API", _tokens_of_node, _stored_tokens, Form.LINES, (IdentityError,)),
    Target("token", text(parse_token), lambda: [_TOKEN.encode(), b"sha256:" + b"ab" * 32]),
    Target("key of a node", in_file(_load_seed), _keys, Form.LINES, (IdentityError,)),
    Target("signing key of a node", in_file(load_signing_key), _keys, Form.LINES, (IdentityError,)),
    Target("passphrase", in_file(load_passphrase), lambda: [b"secret\n"], Form.LINES, (IdentityError,)),
    Target("private file", in_file(lambda path: read_private(path, 16)), lambda: [b"short"], raises=(IdentityError,)),
    Target("configuration of a wallet", in_file(wallet_config.load, "config.toml"), _profiles, Form.LINES, _WALLET),
    Target("key of a wallet", _unlock, _keys, Form.LINES, _WALLET),
    Target("tokens of a wallet", text(parse_tokens), _token_files, Form.LINES),
    Target("token file of a wallet", in_file(load_tokens), _token_files, Form.LINES, _WALLET),
    Target("draft", lambda data: parse_draft(data, what="it"), _transactions, Form.JSON, _WALLET),
    Target("draft, signed", _sign_draft, _transactions, Form.JSON, _WALLET),
    Target(
        "draft in a file",
        in_file(lambda path: read_draft(str(path))),
        _transactions,
        Form.JSON,
        _WALLET,
        memory=64 << 20,
    ),
    Target(
        "file of bounded size", in_file(lambda path: read_bounded(str(path), 64)), lambda: [b"some"], raises=_WALLET
    ),
    Target("what a watch remembers", in_file(load_memory), _memories, Form.JSON, _WALLET, memory=64 << 20),
    Target(
        "pinned genesis",
        lambda data: check_genesis(data, "", what="it"),
        lambda: [samples.genesis().document],
        Form.JSON,
        _WALLET,
    ),
    Target(
        "hash of a genesis", text(parse_genesis_hash), lambda: [samples.genesis().chain.hex().encode()], raises=_WALLET
    ),
    Target(
        "checkpoint in a file",
        in_file(lambda path: read_checkpoint(str(path))),
        _checkpoints,
        Form.JSON,
        _WALLET,
        memory=64 << 20,
    ),
    Target("receipt in a wallet", _receipt, lambda: samples.lines(samples.vectors("receipts")), Form.JSON, _WALLET),
    Target(
        "file of the log", is_log_file, lambda: samples.lines([samples.vectors("transparency_log")["proof"]]), raises=()
    ),
    Target("span of time", text(parse_span_ms), lambda: [b"90s", b"12h", b"5ms"], raises=_WALLET),
    Target("amount", text(lambda said: to_units(said, 2, what="euro")), lambda: [b"12.50", b"7"], raises=_WALLET),
)
