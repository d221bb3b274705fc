"""What several commands share: options, and how an expected failure ends (one line on stderr, a stable exit code)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn, TypeVar

import click

from ledger.crypto import check_public_key
from ledger.errors import LedgerError, MalformedError
from ledger.genesis import Operator
from ledger.primitives import parse_public_key
from ledger.validators import Quorum, QuorumRule
from node.config import FILE_NAME, Config, ConfigError, load

EXIT_UNEXPECTED = 1
EXIT_USAGE = 2
EXIT_VERIFICATION = 10
EXIT_UNREACHABLE = 14

F = TypeVar("F", bound=Callable[..., object])


def home_option(function: F) -> F:
    """`--home DIR`: the node's home directory."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(),
        envvar="QUORUM_NODE_HOME",
        show_default="the current directory",
        help="The node's home directory.",
    )(function)


def fail(message: str, code: int) -> NoReturn:
    """End with one line on stderr."""
    click.echo(f"error: {message}", err=True)
    sys.exit(code)


@contextmanager
def expected_failures() -> Iterator[None]:
    """Turn what can be expected to go wrong into one line and an exit code; anything else stays a traceback."""
    from node.home import HomeError
    from node.identity import IdentityError
    from node.storage.errors import StorageError

    try:
        yield
    except (ConfigError, HomeError, IdentityError) as error:
        fail(str(error), EXIT_USAGE)
    except LedgerError as error:
        fail(str(error), EXIT_VERIFICATION)
    except StorageError as error:
        fail(str(error), EXIT_UNEXPECTED)
    except OSError as error:
        fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), EXIT_UNEXPECTED)


def load_config(home: Path) -> Config:
    """The configuration in `home`. Raises `ConfigError`."""
    path = home / FILE_NAME
    if not path.exists():
        raise ConfigError(f"{path} does not exist: make a node with quorum-node init, or name its --home")
    return load(path)


def parse_operator(name: str, keys: tuple[str, ...], threshold: int) -> Operator:
    """The operator account that a card states. Raises `MalformedError`."""
    parsed = sorted(parse_public_key(key, "--operator-key") for key in keys)
    for key in parsed:
        if not check_public_key(key):
            raise MalformedError(f"--operator-key {key.hex()} is not an acceptable Ed25519 public key")
    return Operator(name, tuple(parsed), threshold)


class QuorumType(click.ParamType[Quorum]):
    """`majority`, `bft`, or the number q."""

    name = "majority|bft|Q"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Quorum:
        """The rule that the text names."""
        if isinstance(value, Quorum):
            return value
        text = str(value)
        if text in (QuorumRule.MAJORITY, QuorumRule.BFT):
            return Quorum(QuorumRule(text))
        if text.isdecimal() and int(text) > 0:
            return Quorum(QuorumRule.FIXED, int(text))
        return self.fail(f"{text!r} is neither majority, bft nor a number of validators", param, ctx)
