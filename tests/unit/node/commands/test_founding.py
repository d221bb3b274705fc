"""Founding: what founders get to see of a genesis document before they agree to its hash."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from ledger.parameters import Parameters
from ledger.roles import Role
from ledger.state import Account
from node.commands.founding import genesis
from tests.unit.ledger.founders import genesis_of, signing_key


def test_nothing_that_genesis_decides_is_left_out(tmp_path: Path) -> None:
    """Whoever assembles it could add an administrator of their own, a strange limit, or a time of their choice."""
    stranger = Account("stranger", (signing_key("stranger").public_key,), 1, (Role.ADMINISTRATOR,))
    made = genesis_of(4, parameters=Parameters(sender_quota=1), further_accounts=(stranger,))
    file = tmp_path / "genesis.json"
    file.write_bytes(made.document)
    shown = CliRunner().invoke(genesis, ["show", str(file)]).stdout
    for text in (
        f"network     {made.network}",
        f"chain       {made.chain.hex()}",
        "time        2027-01-15T08:00:00Z",
        "4 validators, quorum 3",
        "validator   v3 at 127.0.0.1:9007, operated by org3",
        "account     org0: 1 of 1 keys, administrator, operator",
        f"account     stranger: 1 of 1 keys, administrator\n  key       {stranger.keys[0].hex()}",
        "parameter   sender_quota = 1 (not the usual 1000)",
        "parameter   heartbeat_ms = 60000\n",
    ):
        assert text in shown
