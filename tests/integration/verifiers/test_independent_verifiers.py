"""Code that we did not write checks proofs of real nodes: four processes, and what they serve.

    tlog-scales             Python   inclusion, consistency, signed notes, cosignatures; and it reads the live log
    metamorphic-log         Rust     inclusion, consistency, signed notes
    @sigstore/verify        Node     inclusion, signed notes
    golang.org/x/mod        Go       inclusion, consistency, signed notes; cosignatures with 20 lines of ours

Each accepts what the nodes serve, and refuses it with any one thing changed. The first two come with the tests (the
second where it has a wheel), the others are used where a machine has them or can have them (`getting`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from ledger.log.policy import Policy, parse_policy, verify_checkpoint
from ledger.log.proof import parse_log_proof, verify_log_proof
from ledger.log.signed_note import parse_note
from tests.integration.processes.network import ProcessNetwork, id_of
from tests.integration.verifiers import questions
from tests.integration.verifiers.debian import UnavailableError
from tests.integration.verifiers.getting import ask_go, ask_javascript
from tests.integration.verifiers.questions import OF_CONSISTENCY, OF_COSIGNATURES, OF_INCLUSION, Question

RECORDS = 300
"""More than a full tile has."""


# ---- what real nodes serve


@dataclass(frozen=True)
class Served:
    """Questions made of what nodes served: three transactions in the newest log, and an older checkpoint beside it."""

    inclusion: tuple[Question, ...]
    consistency: Question
    read: Read


@dataclass(frozen=True)
class Read:
    """What tlog-scales read of the live log: size, root, and what it computed from tiles and bundles alone."""

    size: int
    computed_root: bytes
    root: bytes
    entry_hashes: list[bytes]
    hashes: list[bytes]
    inclusion_path: list[bytes]
    consistency_path: list[bytes]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Served:
    """One network for all verifiers."""
    return asyncio.run(_serve(tmp_path_factory.mktemp("log")))


async def _serve(home: Path) -> Served:
    async with ProcessNetwork(home) as network:
        network.start()
        await network.until_ready()
        await network.register()
        older, _ = await _checkpoint(network, 1, size=2)
        records = [network.record(f"record {number}") for number in range(RECORDS)]
        await network.submit_many(0, records)
        newer, policy = await _checkpoint(network, 2, size=2 + RECORDS)
        asked = []
        for index, envelope in enumerate((records[0], records[150], records[-1])):
            await _checkpoint(network, index, size=2 + RECORDS)
            data = await network.get_bytes(index, f"/v1/transactions/{id_of(envelope)}/tlog-proof")
            assert verify_log_proof(data, policy=policy).leaf.transaction_id.hex() == id_of(envelope)
            proof = parse_log_proof(data)
            assert proof.extra is not None
            asked.append(questions.inclusion(proof, policy, proof.extra))
        first, second = (int(note.split("\n")[1]) for note in (older, newer))
        document = await network.get(3, f"/v1/proofs/consistency?from={first}&to={second}")
        path = [bytes.fromhex(item) for item in document["path"]]  # type: ignore[attr-defined]
        read = await asyncio.to_thread(_read_log, network.url(2), asked[1].index, first)
        return Served(tuple(asked), questions.consistency(older, newer, path, policy), read)


async def _checkpoint(network: ProcessNetwork, index: int, *, size: int) -> tuple[str, Policy]:
    """The checkpoint of a node as soon as it covers `size`, and the policy of its block, which accepts it."""
    found: list[tuple[str, str]] = []

    async def covered() -> bool:
        async with network.session.get(f"{network.url(index)}/checkpoint") as answer:
            text = await answer.text()
            if answer.status != 200 or int(text.split("\n")[1]) < size:
                return False
            found.append((text, answer.headers["Checkpoint-Height"]))
            return True

    await network.until(f"a checkpoint of v{index} covers {size}", covered)
    text, height = found[-1]
    policy = parse_policy(await network.get_bytes(index, f"/v1/log/policy?height={height}"))
    verify_checkpoint(parse_note(text.encode()), policy)
    return text, policy


def _read_log(url: str, index: int, older_size: int) -> Read:
    """Read the log from its tiles and bundles as C2SP has them, with the client of others."""
    from tlog_scales.backend import HttpBackend
    from tlog_scales.reader import TilesReader
    from tlog_scales.tiles import leaf_hash

    reader = TilesReader(HttpBackend(url))
    checkpoint = reader.get_checkpoint()
    size = checkpoint.size
    return Read(
        size=size,
        computed_root=reader.calculate_root_hash(),
        root=checkpoint.root_hash,
        entry_hashes=[leaf_hash(reader.get_entry(number)) for number in range(size)],
        hashes=[reader.mth(number, number + 1) for number in range(size)],
        inclusion_path=reader.get_inclusion_proof(index, size).node_hashes,
        consistency_path=reader.get_consistency_proof(older_size, size).node_hashes,
    )


# ---- those who are asked


def ask_tlog_scales(asked: Sequence[Question]) -> list[str]:
    """Why tlog-scales refuses each question, "" where it accepts."""
    from tlog_scales.signing import Vkey, VkeySet
    from tlog_scales.tlog import Checkpoint, ConsistencyProof, InclusionProof

    def opened(question: Question, text: str) -> Checkpoint:
        checkpoint = Checkpoint.from_text(text)
        logs = VkeySet(*map(Vkey.from_string, question.log_keys)).verify(checkpoint.signatures, checkpoint)
        cosigners = VkeySet(*map(Vkey.from_string, question.cosigner_keys)).verify(checkpoint.signatures, checkpoint)
        if checkpoint.origin != question.origin or not logs:
            raise ValueError("not signed by this log")
        if len({key.name for key, _ in cosigners}) < question.quorum:
            raise ValueError("no quorum of cosignatures")
        return checkpoint

    def check(question: Question) -> None:
        newer, path = opened(question, question.note), list(map(base64.b64decode, question.path))
        if question.kind == "consistency":
            older = opened(question, question.older)
            ConsistencyProof(older.size, newer.size, path).check(older.root_hash, newer.root_hash)
        else:
            InclusionProof(question.index, newer.size, path).check(_leaf_hash(question), newer.root_hash)

    return _reasons(check, asked)


def ask_metamorphic_log(asked: Sequence[Question]) -> list[str]:
    """Likewise; it does not know cosignatures."""
    library = pytest.importorskip("metamorphic_log", reason="metamorphic-log has no wheel for this machine")

    def check(question: Question) -> None:
        keys, path = list(question.log_keys), list(map(base64.b64decode, question.path))
        if question.kind == "consistency":
            library.checkpoint_verify_consistency(question.older, question.note, keys, path)
        else:
            library.checkpoint_verify_inclusion(question.note, keys, question.index, _leaf_hash(question), path)

    return _reasons(check, asked)


def ask_sigstore(asked: Sequence[Question]) -> list[str]:
    """Likewise; it does not know consistency, either."""
    return _answers(ask_javascript, asked)


def ask_sumdb(asked: Sequence[Question]) -> list[str]:
    """Likewise; it knows everything."""
    return _answers(ask_go, asked)


def _leaf_hash(question: Question) -> bytes:
    """RFC 6962 section 2.1."""
    return hashlib.sha256(b"\0" + base64.b64decode(question.entry)).digest()


def _reasons(check: Callable[[Question], None], asked: Sequence[Question]) -> list[str]:
    reasons = []
    for question in asked:
        try:
            check(question)
        except Exception as error:  # whatever it is that a verifier of others raises: it refuses
            reasons.append(f"{type(error).__name__}: {error}")
        else:
            reasons.append("")
    return reasons


def _answers(ask: Callable[[bytes], bytes], asked: Sequence[Question]) -> list[str]:
    try:
        answers = json.loads(ask(json.dumps([question.to_json() for question in asked]).encode()))
    except UnavailableError as error:
        pytest.skip(str(error))
    assert len(answers) == len(asked)
    return ["" if answer["accepted"] else f"refused: {answer['reason']}" for answer in answers]


@dataclass(frozen=True)
class Verifier:
    """Who is asked, and what of."""

    ask: Callable[[Sequence[Question]], list[str]]
    knows_consistency: bool
    knows_cosignatures: bool


VERIFIERS = {
    "tlog-scales": Verifier(ask_tlog_scales, True, True),
    "metamorphic-log": Verifier(ask_metamorphic_log, True, False),
    "@sigstore/verify": Verifier(ask_sigstore, False, False),
    "golang.org/x/mod": Verifier(ask_sumdb, True, True),
}


@pytest.mark.timeout(600)  # what is downloaded, the first time
@pytest.mark.parametrize("name", VERIFIERS)
def test_what_nodes_serve_is_accepted_and_refused_with_any_one_thing_changed(served: Served, name: str) -> None:
    verifier = VERIFIERS[name]
    good = list(served.inclusion)
    bad = {f"{what}, of inclusion": change(good[1]) for what, change in OF_INCLUSION.items()}
    if verifier.knows_consistency:
        good.append(served.consistency)
        bad |= {f"{what}, of consistency": change(served.consistency) for what, change in OF_CONSISTENCY.items()}
    if verifier.knows_cosignatures:
        least = _with_exactly_a_quorum(served.inclusion[0])
        good.append(least)
        bad |= {what: change(least) for what, change in OF_COSIGNATURES.items()}
    reasons = verifier.ask([*good, *bad.values()])
    assert reasons[: len(good)] == [""] * len(good)
    accepted = [what for what, reason in zip(bad, reasons[len(good) :], strict=True) if not reason]
    assert accepted == [], f"{name} accepts what was changed"


def _with_exactly_a_quorum(question: Question) -> Question:
    names = [line.name.rpartition("/")[2] for line in parse_note(question.note.encode()).signatures[1:]]
    assert len(names) >= question.quorum == 3
    return replace(question, note=questions.with_cosignatures(question.note, names[: question.quorum]))


def test_a_client_of_others_reads_the_log_of_a_live_node_and_computes_our_proofs(served: Served) -> None:
    read = served.read
    assert read.size == int(served.consistency.note.split("\n")[1]) >= 2 + RECORDS
    assert read.computed_root == read.root
    assert read.entry_hashes == read.hashes
    assert read.consistency_path == list(map(base64.b64decode, served.consistency.path))
    assert read.inclusion_path == list(map(base64.b64decode, served.inclusion[1].path))
