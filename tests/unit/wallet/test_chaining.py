"""Verbs that stand several times on one line, and options that stand anywhere among them."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from wallet.chaining import Chain
from wallet.options import Command


@click.group("make", cls=Chain)
@click.option("--name")
@click.option("--loud/--quietly")
def make(**_: object) -> None:
    """Make a thing of parts."""


@make.command("move", cls=Command)
@click.argument("what")
@click.argument("where")
@click.option("--by")
def move(what: str, where: str, by: str | None) -> str:
    """Move."""
    return f"move {what} {where} by {by}"


@make.command("drop", cls=Command)
@click.argument("what")
@click.option("--hard", is_flag=True)
def drop(what: str, hard: bool) -> str:
    """Drop."""
    return f"drop {what} {hard}"


@make.result_callback()
def made(parts: list[str], name: str | None, loud: bool) -> None:
    click.echo(f"{name} {loud}: {'; '.join(parts)}")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drop a", "None False: drop a False"),
        ("drop a drop b", "None False: drop a False; drop b False"),
        ("--name n drop a move b c", "n False: drop a False; move b c by None"),
        ("drop a move b c --name n", "n False: drop a False; move b c by None"),
        ("drop --name n a --loud move --by x b c", "n True: drop a False; move b c by x"),
        ("move b --by x c drop a --hard", "None False: move b c by x; drop a True"),
        ("move b c --by=x --name=n", "n False: move b c by x"),
        ("move drop move drop drop", "None False: move drop move by None; drop drop False"),
        ("drop a --name drop drop b", "drop False: drop a False; drop b False"),
    ],
)
def test_each_word_goes_where_it_belongs(line: str, said: str) -> None:
    ended = CliRunner().invoke(make, line.split())
    assert (ended.exit_code, ended.stdout) == (0, said + "\n"), ended.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("drop", "Missing argument 'WHAT'"),
        ("--name n", "Missing command"),
        ("drop a b", "No such command 'b'"),
        ("drpo a", "Did you mean 'drop'"),
        ("drop a --nam n", "Did you mean '--name'"),
        ("drop a --name", "Option '--name' requires an argument"),
        ("move a --by", "Option '--by' requires an argument"),
    ],
)
def test_what_is_mistyped_is_said(line: str, said: str) -> None:
    ended = CliRunner().invoke(make, line.split())
    assert ended.exit_code == 2
    assert said in ended.output


def test_a_verb_has_help_of_its_own() -> None:
    ended = CliRunner().invoke(make, ["drop", "--help"])
    assert "Drop." in ended.output
    assert "--hard" in ended.output
