"""What operators do, for the tests of commands: type a line, make a validator, found a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from node.cli import main
from tests.unit.ledger.founders import signing_key

KEY = signing_key("operator").public_key.hex()


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> dict[str, object]:
        document: dict[str, object] = json.loads(self.stdout)
        return document


def quorum_node(*words: str | Path) -> Ended:
    """Run a command line as the shell would."""
    result = CliRunner().invoke(main, [str(word) for word in words], prog_name="quorum-node")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return Ended(result.exit_code, result.stdout, result.stderr)


def assert_refused(ended: Ended, code: int, says: str) -> None:
    """It ended with this code and one line on stderr, and printed nothing."""
    assert (ended.code, ended.stdout) == (code, ""), ended
    assert says in ended.stderr
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1, ended.stderr


def init(home: Path, name: str, *words: str) -> Ended:
    """Make the validator `<name>-1` of the organisation `name`."""
    return quorum_node(
        "init", "--home", home, "--name", f"{name}-1", "--operator", name, "--operator-key", KEY,
        "--address", "127.0.0.1:9471", *words,
    )  # fmt: skip


def founded(directory: Path, *names: str) -> str:
    """Make a home for each organisation and genesis.json from their cards; its hash."""
    for name in names:
        assert init(directory / name, name).code == 0
    cards = [directory / name / "card.json" for name in names]
    out = directory / "genesis.json"
    words = ("genesis", "assemble", *cards, "--network", "harbour", "--administrator", names[0], "--out", out)
    made = quorum_node(*words)
    assert made.code == 0, made
    return str(quorum_node("genesis", "show", out, "--output", "json").json()["chain"])
