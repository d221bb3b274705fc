"""What the doctor finds, and what it leaves alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.consensus.inputs import PeerId
from ledger.governance.changes import Change, ParameterSet, QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN
from ledger.validators import Validator, parse_quorum
from node.doctor import TABLE, Accusation, Finding, FindingCode, Severity, claimed_height, examine, healthy
from node.replica import PeerStatus, ReplicaStatus, Role
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import Proposing, entry

V5, V1_AGAIN = entry(), entry("v1", "org1", 4)


def peers(*names: str | None, height: int = 1, further: tuple[Validator, ...] = ()) -> tuple[PeerStatus, ...]:
    linked = [PeerStatus(PeerId(f"{number:064x}"), name, height, 0) for number, name in enumerate(names)]
    return (*linked, *(PeerStatus(PeerId(item.node_key.hex()), None, height, 0) for item in further))


def status_of(node: FakeNode, **changes: Any) -> ReplicaStatus:
    """A validator of four that is linked to the three others, with changes."""
    return replace(node.status(), **{"peers": peers("v1", "v2", "v3"), **changes})


def found(
    node: FakeNode,
    *,
    accusations: tuple[Accusation, ...] = (),
    storage_low: bool = False,
    later_ms: int = 0,
    **changes: Any,
) -> dict[FindingCode, Finding]:
    status = status_of(node, **changes)
    findings = examine(
        status,
        node.chain_state(),
        accusations=accusations,
        storage_low=storage_low,
        now_ms=status.time_ms + later_ms,
    )
    order = list(Severity)
    assert [order.index(item.severity) for item in findings] == sorted(order.index(item.severity) for item in findings)
    assert all(item.sentence and item.remedy for item in findings)
    return {item.code: item for item in findings}


def test_a_network_in_which_everything_works_has_no_findings() -> None:
    assert found(FakeNode()) == {}
    assert found(FakeNode(), later_ms=60_000, round=2) == {}, "a heartbeat, and two leaders that are away"


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
            {"round": 3, "later_ms": 5_000, "explanation": "waiting for v1", "missing": ("v1", "v2")},
            "stalled",
            "nothing was appended for 5 s: height 1 is in round 3, waiting for v1; no vote seen from: v1, v2",
        ),
        ({"later_ms": 121_000}, "stalled", "nothing was appended for 121 s"),
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
    assert found(node, accusations=(Accusation("v1", since - 1), Accusation("v9", 1))) == {}
    assert FindingCode.EVIDENCE_FOUND in found(node, accusations=(Accusation("v1", since),))


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
