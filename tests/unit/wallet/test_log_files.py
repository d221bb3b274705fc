"""quorum-audit verify on C2SP files: by the pinned set or by a policy, and only of the pinned chain's log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ledger.block import Header
from ledger.genesis import Genesis
from ledger.log.policy import Policy
from ledger.pinned_checkpoint import build_pinned_checkpoint
from ledger.primitives import Digest
from tests.unit.ledger.founders import genesis_of, set_of
from tests.unit.ledger.log.sample_log import SampleLog, sample_log
from tests.unit.ledger.sample_chain import MemoryChain
from tests.unit.wallet.conftest import Run
from wallet.exit_codes import ExitCode

LOG = sample_log(20)


def checkpoint_of(genesis: Genesis, *, size: int, root: Digest) -> bytes:
    """A checkpoint of block 1, as if it had this log."""
    chain = MemoryChain(genesis)
    chain.append()
    header = Header(**{
        **{name: getattr(chain.tip.header, name) for name in Header.__struct_fields__},
        "log_size": size,
        "log_root": root,
    })  # fmt: skip
    return build_pinned_checkpoint(network="test", header=header, validators=genesis.validators).document


@pytest.fixture
def files(home: Path) -> Path:
    """A proof, a note, what is pinned, and policies."""
    for name, content in {
        "genesis.json": LOG.genesis.document,
        "other.json": genesis_of(3).document,
        "same.json": checkpoint_of(LOG.genesis, size=20, root=LOG.checkpoint().root),
        "fork.json": checkpoint_of(LOG.genesis, size=20, root=Digest(bytes(32))),
        "entry.tlog-proof": LOG.proof(7),
        "note.txt": LOG.note().encode(),
        "short.tlog-proof": LOG.proof(7, LOG.note(range(2))),
        "policy.txt": LOG.policy.encode(),
        "one.txt": Policy(LOG.policy.logs, LOG.policy.witnesses, (), "validator:v0").encode(),
        "other.txt": SampleLog(genesis_of(3), 20).policy.encode(),
        "none.txt": b"quorum nobody\n",
        "stranger.tlog-proof": SampleLog(genesis_of(4, quorum=set_of(0, 1, 2).quorum_rule), 20).proof(7),
    }.items():
        Path(name).write_bytes(content)
    return home


@pytest.mark.usefixtures("files", "offline")
@pytest.mark.parametrize("pin", [("--genesis", "genesis.json"), ("--checkpoint", "same.json")])
def test_a_proof_and_a_note_verify_by_the_pinned_set(audit: Run, pin: tuple[str, str]) -> None:
    proof = audit("verify", "entry.tlog-proof", *pin, "--output", "json")
    assert proof.exit_code == ExitCode.OK, proof.stderr
    printed = json.loads(proof.stdout)
    assert (printed["verified"], printed["kind"]) == (True, "c2sp.org/tlog-proof@v1")
    assert (printed["position"], printed["height"], printed["result"], printed["size"]) == (7, 3, "applied", 20)
    assert [item["name"] for item in printed["witnesses"]] == ["validator:v0", "validator:v1", "validator:v2"]
    note = audit("verify", "note.txt", *pin)
    assert note.exit_code == ExitCode.OK, note.stderr
    assert "20 transactions" in note.stdout


RUNS = [
    ("entry.tlog-proof", ("--genesis", "genesis.json", "--policy", "policy.txt"), 0, "by the policy policy.txt"),
    ("short.tlog-proof", ("--genesis", "genesis.json", "--policy", "one.txt"), 0, "by the policy one.txt"),
    ("short.tlog-proof", ("--genesis", "genesis.json"), 10, "pin a newer checkpoint, or give the --policy"),
    ("entry.tlog-proof", ("--genesis", "other.json"), 10, "does not verify"),
    ("entry.tlog-proof", ("--genesis", "other.json", "--policy", "policy.txt"), 10, "and pinned is"),
    ("note.txt", ("--genesis", "other.json", "--policy", "policy.txt"), 10, "and pinned is"),
    ("entry.tlog-proof", ("--genesis", "genesis.json", "--policy", "other.txt"), 10, "policy has no log"),
    ("stranger.tlog-proof", ("--genesis", "genesis.json"), 10, "does not verify"),
    ("entry.tlog-proof", ("--checkpoint", "fork.json"), 10, "another root over 20 transactions"),
    ("entry.tlog-proof", ("--genesis", "genesis.json", "--policy", "none.txt"), 2, "is no policy"),
    ("entry.tlog-proof", ("--policy", "policy.txt"), 2, "No genesis file is pinned"),
    ("genesis.json", ("--genesis", "genesis.json", "--policy", "policy.txt"), 2, "the file is neither"),
    ("same.json", ("--genesis", "genesis.json"), 2, "proves nothing by itself"),
]


@pytest.mark.usefixtures("files", "offline")
@pytest.mark.parametrize(("name", "arguments", "code", "says"), RUNS)
def test_whose_cosignatures_count_and_of_which_log(
    audit: Run, name: str, arguments: tuple[str, ...], code: int, says: str
) -> None:
    result = audit("verify", name, *arguments)
    assert result.exit_code == code, result.output
    assert says in " ".join((result.stdout + result.stderr).split())
    assert bool(result.stdout) == (code == 0)


@pytest.mark.usefixtures("files")
def test_no_byte_of_a_proof_or_a_note_can_be_changed_unnoticed(audit: Run) -> None:
    for name in ("entry.tlog-proof", "note.txt"):
        data = Path(name).read_bytes()
        for position in range(0, len(data), 41):
            Path("damaged").write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
            result = audit("verify", "damaged", "--genesis", "genesis.json")
            assert result.exit_code == ExitCode.VERIFICATION_FAILED, f"byte {position}: {result.output}"
