"""The README is true: its commands run and print what it says, and its tables are those of the code."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from ledger.governance.changes import CHANGES
from ledger.operations.table import OPERATIONS
from ledger.roles import ROLES
from ledger.validators import Quorum, QuorumRule, Tolerance
from node.cli import main as node_main
from tests.integration.processes.network import free_base_port
from tests.integration.processes.test_devnet import ROOT, devnet, running
from wallet.audit_cli import main as audit_main
from wallet.cli import main as wallet_main
from wallet.exit_codes import MEANINGS

README = (ROOT / "README.md").read_text()
(PROGRAM,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
CONSOLE = re.findall(r"```console\n(.*?)```", README, re.DOTALL)
BASE_PORT = 8470


def pattern_of(line: str) -> re.Pattern[str]:
    """A line of the README as a pattern: an ellipsis stands for anything."""
    return re.compile(".*".join(map(re.escape, line.split("…"))))


def assert_in_order(expected: list[str], output: str) -> None:
    """Every line of the README is a line of the output, in the same order; others may stand between them."""
    lines = iter(output.splitlines())
    for line in expected:
        if line.strip("… "):
            pattern = pattern_of(line)
            assert any(pattern.fullmatch(candidate.rstrip()) for candidate in lines), f"not printed: {line}\n{output}"


def commands_of(block: str) -> list[tuple[str, list[str]]]:
    """The commands of a console block, each with the lines that follow it."""
    found: list[tuple[str, list[str]]] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        else:
            found[-1][1].append(line)
    return found


async def test_the_console_sessions_are_real(tmp_path: Path) -> None:
    home, base_port = tmp_path / "devnet", free_base_port(4)

    def placed(text: str) -> str:
        """The README's text for this test's directory and ports."""
        for index in range(8):
            text = text.replace(f":{BASE_PORT + index}", f":{base_port + index}")
        return text.replace("devnet/", f"{home}/")

    tour, meanwhile = CONSOLE
    network = devnet(home, base_port)
    try:
        assert network.stdout is not None
        output = ""
        for line in network.stdout:
            output += line
            if line.startswith("Ctrl-C stops everything"):
                break
        first, *shown = placed(tour).splitlines()
        assert first == "$ scripts/devnet"
        assert_in_order(shown, output)
        for command, expected in commands_of(placed(meanwhile)):
            program, *words = shlex.split(command)
            ended = await asyncio.create_subprocess_exec(
                str(ROOT / program), *words, cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "COLUMNS": "200"}
            )
            printed, _ = await ended.communicate()
            assert ended.returncode == 0, command
            assert_in_order(expected, printed.decode())
        await run_the_program(placed(PROGRAM))
    finally:
        network.terminate()
        network.wait(60)
    assert not running(home)


async def run_the_program(program: str) -> None:
    """The program of the README prints what its comments say."""
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT, stdout=subprocess.PIPE)
    printed, _ = await ended.communicate()
    assert ended.returncode == 0
    assert_in_order(re.findall(r"print\(.*\)  # (.*)", program), printed.decode())


def rows_of(header: str) -> list[list[str]]:
    """The rows of the README's table that begins with `header`, without their marks."""
    table = README[README.index(header) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("*`") for cell in row.strip("|").split("|")] for row in table]


def test_the_table_of_tolerances_is_arithmetic() -> None:
    for n, q, stopped, double_signing, rule in rows_of("| n | q |"):
        tolerance = Tolerance(int(n), int(q))
        assert (tolerance.stopped, tolerance.double_signing) == (int(stopped), int(double_signing))
        for named in QuorumRule:
            if f"`{named}`" in rule or rule.startswith(f"{named}`"):
                assert Quorum(named).size(int(n)) == int(q)


def test_the_table_of_exit_codes_is_the_wallets() -> None:
    assert [(int(code), meaning) for code, meaning in rows_of("| code | meaning |")] == list(MEANINGS.items())


def test_the_table_of_operations_is_the_codes() -> None:
    stated = [tuple(row) for row in rows_of("| operation | what it does |")]
    assert stated == [(kind.type, kind.summary, kind.permission) for kind in OPERATIONS.values()]


def test_the_table_of_changes_is_the_codes() -> None:
    stated = [tuple(row) for row in rows_of("| change | what it does |")]
    assert stated == [(kind.type, kind.summary) for kind in CHANGES.values()]


def test_the_table_of_roles_is_the_codes() -> None:
    stated = [tuple(row) for row in rows_of("| role | what it is for |")]
    assert stated == [(role, entry.sentence) for role, entry in ROLES.items()]
    for role, entry in ROLES.items():
        assert (f"| **{role}** |" in README) == entry.governed


LINES = [
    line
    for block in re.findall(r"```text\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("quorum-")
]


@pytest.mark.parametrize("line", LINES)
def test_every_command_that_is_shown_exists(line: str) -> None:
    """Its verbs and options; a remark stands behind a wide gap."""
    program, *words = re.split(r" {3,}", line)[0].split()
    programs: dict[str, click.Command] = {
        "quorum-node": node_main,
        "quorum-wallet": wallet_main,
        "quorum-audit": audit_main,
    }
    command = programs[program]
    known: set[str] = set()
    for word in words:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
            known |= {name for item in command.params for name in item.opts}
        assert not word.startswith("--") or word in known, f"{word} is no option of {command.name}"
    assert not isinstance(command, click.Group), f"{command.name} is a family of commands"


def test_every_dependency_says_why_it_is_there() -> None:
    declared = (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("\n]")[0]
    names = set(re.findall(r'^  "([A-Za-z-]+)', declared, re.MULTILINE))
    explained = README[README.index("## Dependencies") :]
    assert names
    assert {name for name in names if f"`{name}`" not in explained} == set()


def test_every_path_of_the_map_exists() -> None:
    section = README[README.index("## The map") : README.index("## Working on it")]
    paths = re.findall(r"`((?:ledger|node|wallet|tests|scripts)/[a-z_/.]*)`", section)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []
