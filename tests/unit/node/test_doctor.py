"""What the doctor finds, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from ledger.consensus.inputs import PeerId
from ledger.governance.changes import Change, ParameterSet, QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN
from ledger.primitives import Digest
from ledger.validators import Validator, parse_quorum
from node.doctor import TABLE, Accusation, Finding, FindingCode, Severity, claimed_height, examine, healthy
from node.replica import PeerStatus, ReplicaStatus, Role
from node.replica.status import UNDAMAGED, BlockVotes, ClockReading, RefusedBlock, Unlinked
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import Proposing, entry

V5, V1_AGAIN = entry(), entry("v1", "org1", 4)


def peers(*names: str | None, height: int = 1, further: tuple[Validator, ...] = ()) -> tuple[PeerStatus, ...]:
    linked = [PeerStatus(PeerId(f"{number:064x}"), name, height, 0) for number, name in enumerate(names)]
    return (*linked, *(PeerStatus(PeerId(item.node_key.hex()), None, height, 0) for item in further))


def peer(name: str, *, height: int = 1, silent_ms: int = 0, standing_ms: int = 0, behind_ms: int = 0) -> PeerStatus:
    return PeerStatus(PeerId(name.encode().hex().zfill(64)), name, height, 0, silent_ms, standing_ms, behind_ms)


def status_of(node: FakeNode, **changes: Any) -> ReplicaStatus:
    """A validator of four that is linked to the three others, with changes; who is linked to nobody was, until now."""
    status = replace(node.status(), **{"peers": peers("v1", "v2", "v3"), **changes})
    linked = {peer.validator for peer in status.peers} | {status.validator}
    absent = tuple(Unlinked(name, 0) for name in status.validators if name not in linked)
    return replace(status, unlinked=changes.get("unlinked", absent))


def found(
    node: FakeNode,
    *,
    accusations: tuple[Accusation, ...] = (),
    storage_low: bool = False,
    dial_faults: Mapping[PeerId, str] = MappingProxyType({}),
    **changes: Any,
) -> dict[FindingCode, Finding]:
    status = status_of(node, **changes)
    findings = examine(
        status,
        node.chain_state(),
        accusations=accusations,
        storage_low=storage_low,
        dial_faults=dial_faults,
    )
    order = list(Severity)
    assert [order.index(item.severity) for item in findings] == sorted(order.index(item.severity) for item in findings)
    assert all(item.sentence and item.remedy for item in findings)
    return {item.code: item for item in findings}


def test_a_network_in_which_everything_works_has_no_findings() -> None:
    assert found(FakeNode()) == {}
    assert found(FakeNode(), waiting_ms=60_000, round=2) == {}, "a heartbeat, and two leaders that are away"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"role": Role.HALTED, "reason": "the disk"}, "halted", "this node has halted: the disk"),
        (
            {"role": Role.OBSERVING, "reason": "its vote state is gone"},
            "not_voting",
            "v0, this node, does not vote: its vote state is gone",
        ),
        (
            {"role": Role.FOLLOWING, "validator": None, "reason": "its key left"},
            "not_in_set",
            "this node follows: its key left",
        ),
        ({"validator": None, "role": Role.FOLLOWING, "peers": ()}, "isolated", "linked to nobody"),
        (
            {"peers": peers("v1", "v2")},
            "quorum_without_spare",
            "3 of 4 validators can be reached, all but v3, and the quorum is 3: one more failure stops the chain",
        ),
        (
            {"peers": peers("v1")},
            "quorum_unreachable",
            "2 of 4 validators can be reached, all but v2, v3: 1 too few for the quorum of 3, so nothing is appended",
        ),
        ({"role": Role.OBSERVING}, "quorum_without_spare", "all but v0, and the quorum is 3"),
        (
            {"peers": peers("v1", "v2", "v3", "v4", "v5"), "validators": tuple(f"v{n}" for n in range(7)), "quorum": 5},
            "validators_unreachable",
            "6 of 7 validators can be reached, all but v6, and the quorum is 5: after one more failure blocks are",
        ),
        (
            {"peers": peers("v1", "v2", "v3", height=9)},
            "behind",
            "2 of 3 connected validators are at height 9, this node is at 1: 8 blocks behind",
        ),
        (
            {
                "round": 3,
                "waiting_ms": 5_000,
                "explanation": "height 1, round 3: waiting for v1",
                "missing": ("v1", "v2"),
            },
            "stalled",
            "nothing was appended for 5 s: height 1 is in round 3, waiting for v1; no vote seen from: v1, v2",
        ),
        ({"waiting_ms": 121_000}, "stalled", "nothing was appended for 2 min"),
        ({"waiting_ms": 90_000, "busy_ms": 13_000}, "stalled", "nothing was appended for 13 s"),
        ({"storage_low": True}, "storage_low", "nearly full"),
        (
            {"role": Role.FOLLOWING, "validator": None, "peers": peers("v1"), "conflict_height": 5},
            "chains_conflict",
            "a quorum signed another block of height 5 than this node has",
        ),
        (
            {"role": Role.FOLLOWING, "validator": None, "peers": peers("v1"), "unfit": "its guard is gone"},
            "vote_state_lost",
            "this node could not vote if it joined: its guard is gone",
        ),
        ({"accusations": (Accusation("v2", 7),)}, "evidence_found", "v2 signed two different things at height 7;"),
        (
            {"accusations": (Accusation("v2", 9), Accusation("v2", 7))},
            "evidence_found",
            "v2 signed two different things at 2 heights, first at 7;",
        ),
        (
            {"accusations": tuple(Accusation("v2", height) for height in range(7, 23)) * 2},
            "evidence_found",
            "v2 signed two different things at 16 heights or more;",
        ),
        (
            {"peers": (*peers("v1", "v2"), peer("v3", silent_ms=9_000))},
            "validators_silent",
            "the link is up and nothing comes from v3 (silent for 9 s)",
        ),
        (
            {"peers": (*peers("v1", "v2"), peer("v3", silent_ms=9_000))},
            "quorum_without_spare",
            "one more failure stops the chain until it is back (v3: silent for 9 s)",
        ),
        (
            {"peers": tuple(peer(name, silent_ms=9_000) for name in ("v1", "v2", "v3"))},
            "isolated",
            "this node hears none of the other validators: most likely its own network is at fault",
        ),
        (
            {"peers": (*peers("v1", "v2", height=9), peer("v3", height=5, behind_ms=13_000)), "deciding": 9},
            "validators_behind",
            "at a lower height than this node: v3 (at height 5, and moving)",
        ),
        (
            {"peers": (*peers("v1", "v2", height=9), peer("v3", height=8, standing_ms=13_000)), "deciding": 9},
            "validators_behind",
            "at a lower height than this node: v3 (at height 8 for 13 s)",
        ),
        (
            {"peers": (*peers("v1", "v2"), peer("v3", standing_ms=60_000)), "round": 2},
            "validators_lagging",
            "they stay in an earlier round: v3 (in round 0 for 60 s)",
        ),
        (
            {"peers": (*peers("v1", "v2"), peer("v3", standing_ms=60_000)), "missing": ("v3",), "round_ms": 13_000},
            "validators_not_voting",
            "in the round of this node, which waits for votes of v3 (no vote for 13 s)",
        ),
        (
            {
                "peers": (*peers("v1", "v2"), peer("v3", standing_ms=60_000)),
                "prepared": ("v0", "v1", "v3"),
                "timed_out": ("v0", "v1"),
                "missing": ("v2",),
                "round_ms": 13_000,
            },
            "validators_not_voting",
            "which waits for votes of v3 (it voted, and no timeout vote comes, though the round has lasted 13 s)",
        ),
        (
            {"peers": peers("v1", "v2", "v3", height=2), "waiting_ms": 13_000},
            "behind",
            "2 of 3 connected validators are at height 2, this node is at 1: 1 blocks behind, and nothing was appended "
            "for 13 s",
        ),
        (
            {"round": 3, "waiting_ms": 9_000, "missing": ("v3",), "failed_leaders": ("v1", "v2", "v3")},
            "stalled",
            "no vote seen from: v3; rounds failed that were led by: v1, v2, v3",
        ),
        (
            {"round": 3, "proposal_seen": True, "prepared": ("v0", "v1"), "timed_out": ("v0", "v2", "v3")},
            "stalled",
            "; given up, with a proposal that is valid here, by: v2, v3",
        ),
        (
            {
                "round": 3,
                "votes": (BlockVotes(Digest(b"\x0a" * 32), ("v0", "v1")), BlockVotes(Digest(b"\x0b" * 32), ("v2",))),
            },
            "votes_differ",
            "the prepare votes of round 3 differ: v0, v1 for block 0a0a0a0a; v2 for block 0b0b0b0b",
        ),
        (
            {"round": 3, "round_ms": 9_000, "timed_out": ("v1",)},
            "leader_silent",
            "v1 leads round 3 and votes in it, and no proposal of it has come",
        ),
        (
            {"round": 3, "round_ms": 9_000, "wanted_blocks": (Digest(b"\x0a" * 32),)},
            "block_unavailable",
            "proposed for height 1, and nobody has sent what it consists of: block 0a0a0a0a",
        ),
        (
            {"round": 3, "refused_block": RefusedBlock(Digest(b"\x0a" * 32), "its state root is another")},
            "block_refused",
            "block 0a0a0a0a, which was proposed for height 1, is not valid here: its state root is another",
        ),
        (
            {"refused_record": "its state root is another"},
            "certified_block_refused",
            "a quorum has certified a block of height 1 that is not valid here: its state root is another",
        ),
        (
            {"stood_still_ms": 7_000, "stood_still_ago_ms": 600_000, "stood_still_times": 2},
            "stood_still",
            "this node stood still for 7 s, 10 min ago; it was time number 2 since its start",
        ),
        (
            {"damage": replace(UNDAMAGED, blocks=(7,))},
            "blocks_damaged",
            "block 7 is damaged on the disk of this node",
        ),
        (
            {"damage": replace(UNDAMAGED, blocks=(7, 9))},
            "blocks_damaged",
            "2 blocks are, the first of them 7, damaged on the disk of this node",
        ),
        (
            {"damage": replace(UNDAMAGED, elsewhere="the row of the tip")},
            "database_damaged",
            "the database of this node is damaged: the row of the tip",
        ),
        (
            {"damage": replace(UNDAMAGED, archived_height=12)},
            "database_rebuilding",
            "the database of this node was damaged up to height 12, and is being made anew",
        ),
        (
            {"clock_set_back_ms": 3_600_000},
            "clock_wrong",
            "the clock of this node is 60 min behind the time at which it cosigned last",
        ),
        (
            {"clocks": (ClockReading("v1", 3_600_000, 5), ClockReading("v2", 100, 5))},
            "clock_wrong",
            "of 3 clocks, these are far from the middle: v1 59 min ahead",
        ),
        (
            {"clocks": (ClockReading("v1", -20_000, 5), ClockReading("v2", -20_100, 5), ClockReading("v3", 9, 5))},
            "clock_wrong",
            "of 4 clocks agree, so some are wrong; against this node's: v1 20 s behind, v2 20 s behind",
        ),
        (
            {"clocks": (ClockReading("v1", 20_000, 5), ClockReading("v2", 20_100, 5))},
            "clock_wrong",
            "of 3 clocks, these are far from the middle: v0 20 s behind",
        ),
        (
            {"clocks": (ClockReading("v1", -20_000, 5),)},
            "clock_wrong",
            "no more than half of 2 clocks agree, so some are wrong; against this node's: v1 20 s behind",
        ),
        (
            {"mempool_transactions": 9_000, "mempool_bytes": 268_400_000, "mempool_full": True},
            "mempool_full",
            "9000 transactions of 268400000 bytes wait for a block, and there is no room for more",
        ),
        ({"quorum": 4}, "tolerance_stopped_none", "the quorum is all 4 validators"),
        (
            {"validators": ("v0", "v1", "v2"), "quorum": 2},
            "tolerance_double_signing_none",
            "2 of 3 validators are the quorum: one that signs two different things can fork the ledger",
        ),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], code: str, says: str) -> None:
    findings = found(FakeNode(), **changes)
    assert says in findings[FindingCode(code)].sentence
    worst = next(iter(findings.values())).severity
    assert healthy(findings.values()) == (worst is Severity.NOTICE)


def test_a_follower_is_linked_to_few_and_that_is_no_fault() -> None:
    findings = found(FakeNode(), role=Role.FOLLOWING, validator=None, peers=peers("v1"))
    assert set(findings) == {FindingCode.NOT_IN_SET}
    assert healthy(findings.values())


def test_evidence_against_a_key_that_was_replaced_is_old_news() -> None:
    node = FakeNode()
    people = Proposing(node)
    people.decide(ValidatorRekey("v1", people.get_ready(V1_AGAIN, keys=4).digest))
    since = node.chain.tip.header.height + 1
    level = peers("v1", "v2", "v3", height=since)
    assert found(node, peers=level, accusations=(Accusation("v1", since - 1), Accusation("v9", 1))) == {}
    assert FindingCode.EVIDENCE_FOUND in found(node, peers=level, accusations=(Accusation("v1", since),))


ADD, REMOVE, ALL = ValidatorAdd("v5", V5.digest), ValidatorRemove("v3"), QuorumSet(parse_quorum(4))


@pytest.mark.parametrize(
    ("changes", "linked", "code", "says"),
    [
        ((ADD,), peers("v1", "v2", "v3", further=(V5,)), "set_change_decided", "now all 5 validators can be reached"),
        ((ADD,), peers("v1", "v2", "v3"), "set_change_without_spare", "all but v5, and the quorum is 4"),
        ((ADD,), peers("v1", "v2"), "set_change_unreachable", "all but v3, v5: 1 too few for the quorum of 4"),
        ((REMOVE,), peers("v1", "v2"), "set_change_decided", "now all 3 validators can be reached"),
        ((ALL,), peers("v1", "v2"), "set_change_unreachable", "1 too few for the quorum of 4"),
        (
            (ValidatorRekey("v1", V1_AGAIN.digest),),
            peers("v1", "v2", "v3"),
            "set_change_without_spare",
            "3 of 4 validators can be reached, all but v1",
        ),
        (
            (ValidatorRekey("v1", V1_AGAIN.digest),),
            peers("v2", "v3", further=(V1_AGAIN,)),
            "set_change_decided",
            "now all 4 validators can be reached",
        ),
    ],
)
def test_a_decided_change_of_the_set_is_held_against_who_can_be_reached(
    changes: tuple[Change, ...], linked: tuple[PeerStatus, ...], code: str, says: str
) -> None:
    node = FakeNode()
    people = Proposing(node)
    people.get_ready(V5)
    people.get_ready(V1_AGAIN, keys=4)
    people.decide(*changes, delay=9)
    activation_height = node.chain.tip.header.height + 9
    finding = found(node, peers=linked)[FindingCode(code)]
    assert finding.sentence.startswith(f"proposal 1 changes the validator set from height {activation_height} on: ")
    assert says in finding.sentence
    node.grow(*[0] * 9)
    assert not {item for item in found(node, peers=linked) if item.startswith("set_change")}


def test_a_change_that_has_become_impossible_is_no_danger() -> None:
    node = FakeNode()
    people = Proposing(node)
    people.decide(QuorumSet(parse_quorum(3)), REMOVE, delay=9)
    assert "3 validators, quorum 3" in found(node)[FindingCode.SET_CHANGE_DECIDED].sentence


def test_rules_that_the_software_does_not_know_are_announced() -> None:
    node = FakeNode()
    delay = PROTOCOL_DELAY_HEIGHTS_MIN
    Proposing(node).decide(ParameterSet("protocol_version", 2), delay=delay)
    finding = found(node)[FindingCode.PROTOCOL_VERSION_UNKNOWN]
    height = node.chain.tip.header.height + delay
    assert finding.sentence == (
        f"from height {height} on the chain follows protocol version 2, and this software knows 1 at most"
    )


def test_every_code_has_its_row() -> None:
    assert set(TABLE) == set(FindingCode)


def test_nobody_says_anything() -> None:
    assert claimed_height(status_of(FakeNode(), peers=peers("v1", height=0))).height == 0


def test_a_finding_says_whom_it_is_about_and_for_how_long() -> None:
    away = (Unlinked("v2", 90_000), Unlinked("v3", 40_000))
    finding = found(FakeNode(), peers=peers("v1"), unlinked=away)[FindingCode.QUORUM_UNREACHABLE]
    assert finding.validators == ("v2", "v3")
    assert finding.for_ms == 40_000, "one may be away: it is so since the second one went"
    assert finding.sentence.endswith("(v2: not linked for 90 s; v3: not linked for 40 s)")
    finding = found(FakeNode(), peers=peers("v1", "v2"), unlinked=away[1:])[FindingCode.QUORUM_WITHOUT_SPARE]
    assert (finding.validators, finding.for_ms) == (("v3",), 40_000)
    assert finding.to_json()["validators"] == ["v3"]
    of_itself = found(FakeNode(), role=Role.OBSERVING, reason="its vote state is gone")
    assert of_itself[FindingCode.NOT_VOTING].validators == ("v0",)
    silent = found(FakeNode(), peers=(*peers("v1", "v2"), peer("v3", silent_ms=9_000)))
    assert silent[FindingCode.VALIDATORS_SILENT].validators == ("v3",)


def test_why_a_node_could_not_be_dialed_is_said_of_whoever_is_not_linked() -> None:
    node = FakeNode()
    faults = {
        PeerId(item.node_key.hex()): f"nobody listens at {item.name}"
        for item in node.chain_state().validators().validators
        if item.name != "v2"
    }
    away = (Unlinked("v2", 90_000), Unlinked("v3", 40_000))
    findings = found(node, peers=peers("v1"), unlinked=away, dial_faults=faults, round=3)
    for code in (FindingCode.QUORUM_UNREACHABLE, FindingCode.STALLED):
        sentence = findings[code].sentence
        assert "not linked for 40 s, last dial: nobody listens at v3)" in sentence
        assert "not linked for 90 s" in sentence
        assert sentence.count("last dial") == 1, "v1 is linked, and of v2 nothing is known"
    alone = found(node, role=Role.FOLLOWING, validator=None, peers=(), dial_faults=faults)[FindingCode.ISOLATED]
    assert "so it gets no blocks; last dial of v0: nobody listens at v0; last dial of v1:" in alone.sentence


def test_clocks_that_differ_by_little_are_right() -> None:
    readings = (ClockReading("v1", 9_000, 5), ClockReading("v2", -900, 5), ClockReading("v3", 0, 5))
    assert found(FakeNode(), clocks=readings, clock_set_back_ms=9_000) == {}


def test_what_is_under_way_is_no_fault() -> None:
    """Of a round that is young nothing is said, nor of a node that stood still long ago."""
    assert (
        found(FakeNode(), round_ms=11_000, busy_ms=11_000, missing=("v1", "v2"), wanted_blocks=(Digest(bytes(32)),))
        == {}
    )
    assert found(FakeNode(), stood_still_ms=7_000, stood_still_ago_ms=600_001, stood_still_times=1) == {}
