"""What several commands share: options, and how their texts become values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
import orjson

from ledger.crypto import check_public_key
from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.genesis import Operator
from ledger.primitives import parse_public_key
from ledger.validators import Quorum, QuorumRule
from node.config import FILE_NAME, Config, ConfigError, load

F = TypeVar("F", bound=Callable[..., object])


def home_option(function: F) -> F:
    """`--home DIR`: the node's home directory."""
    return click.option(
        "--home",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path(),
        envvar="QUORUM_NODE_HOME",
        show_default="the current directory",
        help="The node's home directory; also QUORUM_NODE_HOME.",
    )(function)


def api_options(function: F) -> F:
    """`--url`, `--token-file`, `--ca` and `--timeout`: which API is asked, instead of that of the node in `--home`."""
    for option in (
        click.option(
            "--timeout",
            type=click.FloatRange(0, 3600, min_open=True),
            default=10.0,
            show_default=True,
            metavar="SECONDS",
            help="How long to wait for the whole answer.",
        ),
        click.option(
            "--ca",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Trust the certificates in this PEM file, for an https --url with a certificate of one's own.",
        ),
        click.option(
            "--token-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            envvar="QUORUM_TOKEN_FILE",
            metavar="FILE",
            help="A file with a bearer token for an API that wants one; also QUORUM_TOKEN_FILE.",
        ),
        click.option("--url", help="Ask the API at this URL instead of the node in --home."),
    ):
        function = option(function)
    return function


def output_option(function: F) -> F:
    """`--output text|json`: what stdout is for, people or scripts."""
    return click.option(
        "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form of the result."
    )(function)


file_argument = click.Path(exists=True, dir_okay=False, path_type=Path)
"""The type of an argument that names a file which is there; whether it can be read shows when it is."""


def print_json(document: dict[str, Json]) -> None:
    """One JSON document on stdout, for a script."""
    echo_json(orjson.dumps(document, option=orjson.OPT_INDENT_2))


def echo_json(data: bytes) -> None:
    r"""The JSON text `data` on stdout in printable ASCII: what else its strings have is escaped (`\u009b`)."""
    text = data.decode()
    click.echo("".join(c if c == "\n" or (c.isascii() and c.isprintable()) else _escaped(c) for c in text))


def _escaped(character: str) -> str:
    if character in "\t\r":
        return " "  # white space between values; in a string it stands escaped already
    units = character.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


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
        if text.isascii() and text.isdecimal() and len(text) < 6 and int(text) > 0:
            return Quorum(QuorumRule.FIXED, int(text))
        return self.fail(f"{text!r} is neither majority, bft nor a number of validators", param, ctx)
