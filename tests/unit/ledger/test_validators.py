"""The quorum: its arithmetic for every n up to 50, and sets that are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import pytest

from ledger.crypto import SigningKey
from ledger.errors import MalformedError
from ledger.limits import VALIDATORS_MAX
from ledger.validators import (
    Quorum,
    QuorumRule,
    Tolerance,
    Validator,
    ValidatorSet,
    default_quorum,
    parse_quorum,
    parse_validator,
    parse_validator_set,
)

MAJORITY, BFT = Quorum(QuorumRule.MAJORITY), Quorum(QuorumRule.BFT)


def fixed(q: int) -> Quorum:
    return Quorum(QuorumRule.FIXED, q)


def validator(number: int) -> Validator:
    keys = [SigningKey(bytes([number, role]) * 16).public_key for role in range(3)]
    return Validator(f"v{number}", f"operator{number}", *keys, address=f"host{number}:7000")


def validator_set(count: int, quorum: Quorum = MAJORITY) -> ValidatorSet:
    return ValidatorSet(tuple(validator(number) for number in range(count)), quorum)


# consensus research, section 0: n, q, stopped (n - q), double-signing (2q - n - 1)
TOLERANCE = [
    (1, 1, 0, 0),
    (2, 2, 0, 1),
    (3, 2, 1, 0),
    (3, 3, 0, 2),
    (4, 3, 1, 1),
    (5, 3, 2, 0),
    (5, 4, 1, 2),
    (5, 5, 0, 4),
    (6, 4, 2, 1),
    (7, 4, 3, 0),
    (7, 5, 2, 2),
]


@pytest.mark.parametrize(("n", "q", "stopped", "double_signing"), TOLERANCE)
def test_the_tolerance_table(n: int, q: int, stopped: int, double_signing: int) -> None:
    tolerance = Tolerance(n, q)
    assert (tolerance.stopped, tolerance.double_signing) == (stopped, double_signing)
    assert tolerance.sentence() == (
        f"{n} validators, quorum {q}: blocks are appended while at most {stopped} are stopped; "
        f"the chain cannot fork while at most {double_signing} sign two different things"
    )


@pytest.mark.parametrize(("n", "q"), [(n, q) for n in range(1, 8) for q in range(n // 2 + 1, n + 1)])
def test_any_two_quorums_share_an_honest_validator_exactly_while_few_enough_double_sign(n: int, q: int) -> None:
    """By listing every pair of quorums: the smallest overlap is 2q - n, and one more double-signer would empty it."""
    quorums = [set(members) for members in combinations(range(n), q)]
    overlap = min(len(first & second) for first in quorums for second in quorums)
    assert overlap == 2 * q - n == Tolerance(n, q).double_signing + 1


@pytest.mark.parametrize("n", range(1, 51))
def test_two_quorums_intersect_for_every_q(n: int) -> None:
    """The two quorums that overlap least are the first q and the last q."""
    for q in range(n // 2 + 1, n + 1):
        assert fixed(q).size(n) == q
        overlap = set(range(q)) & set(range(n - q, n))
        tolerance = Tolerance(n, q)
        assert len(overlap) == 2 * q - n >= 1
        assert len(overlap) > tolerance.double_signing >= 0
        assert n - tolerance.stopped >= q > n - tolerance.stopped - 1


@pytest.mark.parametrize("n", range(1, 51))
def test_named_rules_stay_within_the_bounds(n: int) -> None:
    assert MAJORITY.size(n) == min(q for q in range(1, n + 1) if 2 * q > n)
    assert BFT.size(n) == min(q for q in range(1, n + 1) if 3 * q > 2 * n)
    assert Tolerance(n, BFT.size(n)).double_signing >= (n - 1) // 3
    assert Tolerance(n, MAJORITY.size(n)).double_signing == (0 if n % 2 else 1)


@pytest.mark.parametrize("n", range(1, 51))
def test_a_fixed_number_outside_the_bounds_is_refused_with_the_arithmetic(n: int) -> None:
    for q in (0, n // 2, n + 1):
        with pytest.raises(MalformedError, match=rf"{n}/2 < {q} <= {n}"):
            fixed(q).size(n)


def test_defaults() -> None:
    assert [default_quorum(n).rule for n in (1, 2, 3)] == [QuorumRule.MAJORITY] * 3
    assert [default_quorum(n).rule for n in (4, 5, 50)] == [QuorumRule.BFT] * 3
    assert MAJORITY.size(4) == BFT.size(4) == 3


@pytest.mark.parametrize("quorum", [MAJORITY, BFT, fixed(1), fixed(VALIDATORS_MAX)])
def test_a_quorum_rule_survives_its_json_form(quorum: Quorum) -> None:
    assert parse_quorum(quorum.to_json()) == quorum


@pytest.mark.parametrize("value", [0, -1, VALIDATORS_MAX + 1, True, "fixed", "Majority", "", None, 2.0, ["bft"], "3"])
def test_a_malformed_quorum_rule_is_refused(value: object) -> None:
    with pytest.raises(MalformedError):
        parse_quorum(value)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["host:1", "ledger.acme.example:8471", "10.0.0.7:65535", "[2001:db8::7]:8471"])
def test_a_validator_listens_at_a_host_and_a_port(address: str) -> None:
    assert parse_validator({**validator(0).to_json(), "address": address}).address == address


def test_a_set_survives_its_json_form_and_hash_covers_members_order_and_quorum() -> None:
    members = validator_set(3)
    assert parse_validator_set(members.to_json()) == members
    others = [
        replace(members, quorum_rule=fixed(3)),
        replace(members, validators=members.validators[::-1]),
        replace(members, validators=members.validators[:2]),
        replace(members, validators=(replace(validator(0), address="other:1"), *members.validators[1:])),
        replace(members, validators=(replace(validator(0), operator="other"), *members.validators[1:])),
    ]
    assert len({members.hash, *(other.hash for other in others)}) == len(others) + 1


def test_lookups() -> None:
    members = validator_set(3)
    assert len(members) == 3
    assert members.quorum == 2
    assert members.tolerance == Tolerance(3, 2)
    for index, member in enumerate(members.validators):
        assert members.index_of_consensus_key(member.consensus_key) == index
        assert members.index_of_node_key(member.node_key) == index
        assert members.index_of_consensus_key(member.node_key) is None
        assert members.index_of_node_key(member.cosigning_key) is None


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda v: (), "1 to 100"),
        (lambda v: tuple(validator(number) for number in range(VALIDATORS_MAX + 1)), "1 to 100"),
        (lambda v: (v[0], replace(v[1], name="v0"), v[2]), "same name"),
        (lambda v: (v[0], replace(v[1], consensus_key=v[0].consensus_key), v[2]), "share a key"),
        (lambda v: (v[0], replace(v[1], consensus_key=v[0].cosigning_key), v[2]), "share a key"),
        (lambda v: (v[0], replace(v[1], node_key=v[2].consensus_key), v[2]), "share a key"),
    ],
)
def test_impossible_sets_are_refused(
    break_it: Callable[[tuple[Validator, ...]], tuple[Validator, ...]], message: str
) -> None:
    with pytest.raises(MalformedError, match=message):
        ValidatorSet(break_it(validator_set(3).validators), MAJORITY)


def test_a_set_whose_quorum_is_broken_is_refused() -> None:
    with pytest.raises(MalformedError, match="3/2 < 1 <= 3"):
        validator_set(3, fixed(1))
    with pytest.raises(MalformedError, match="3/2 < 4 <= 3"):
        validator_set(3, fixed(4))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "Anna"),
        ("name", "-a"),
        ("name", "a--b"),
        ("name", "a-"),
        ("name", "a/b"),
        ("name", ""),
        ("name", "a" * 65),
        ("name", 1),
        ("operator", None),
        ("operator", "a" * 65),
        ("address", "a" * 256),
        ("address", "host"),
        ("address", ":7000"),
        ("address", "host:0"),
        ("address", "host:07000"),
        ("address", "host:65536"),
        ("address", "host name:7000"),
        ("address", "host\x1b[2K\rchain       00:7000"),  # would overwrite the hash that founders compare
        ("address", "h\u043est:7000"),
        ("address", "host:7000\n"),
        ("address", "host:\u0667000"),
        ("consensus_key", "00"),
        ("consensus_key", "01" + "00" * 31),  # small order
        ("node_key", "ff" * 32),  # not canonical
        ("cosigning_key", "02" + "00" * 31),  # off the curve
        ("cosigning_key", validator(0).node_key.hex()),
        ("surplus", 1),
    ],
)
def test_a_malformed_validator_is_refused(field: str, value: object) -> None:
    with pytest.raises(MalformedError):
        parse_validator({**validator(0).to_json(), field: value})  # type: ignore[dict-item]
