"""Policies: whose cosignatures suffice. Quorums are forged here in every way, and policies of others are read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.errors import MalformedError, VerificationError
from ledger.limits import POLICY_BYTES_MAX
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, log_key, log_origin, sign
from ledger.log.policy import Policy, parse_policy, validators_policy, verify_checkpoint
from ledger.log.signed_note import Note, parse_note
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.validators import ValidatorSet, default_quorum
from tests.unit.ledger.founders import founder, genesis_of, rekeyed, set_of, signing_key
from tests.unit.ledger.log.sample_log import TIME_S, SampleLog, sample_log

LOG = sample_log(7)
POLICY = LOG.policy
KEYS = [cosigner_key(LOG.origin, founder(index).card.validator).encode() for index in range(5)]


def test_the_policy_of_a_validator_set_is_a_file_that_reads_back() -> None:
    text = POLICY.encode(comment="what it is\nand whose").decode()
    assert text.splitlines()[:2] == ["# what it is", "# and whose"]
    assert "group validators 3 validator:v0 validator:v1 validator:v2 validator:v3\nquorum validators\n" in text
    assert parse_policy(text.encode()) == POLICY


@pytest.mark.parametrize("cosigners", [(0, 1, 2), (1, 2, 3), (3, 2, 0), (0, 1, 2, 3), (2, 0, 0, 1, 1)])
def test_any_quorum_suffices_and_each_is_named_with_its_time(cosigners: tuple[int, ...]) -> None:
    verified = verify_checkpoint(LOG.note(cosigners), POLICY)
    assert verified.checkpoint == LOG.checkpoint()
    assert verified.witnesses == tuple((f"validator:v{index}", TIME_S) for index in sorted(set(cosigners)))
    assert verified.logs == (log_key(LOG.origin, founder(0).cosigning_key.public_key),)


@pytest.mark.parametrize(
    ("cosigners", "what"),
    [
        ((), "none"),
        ((0, 1), "one less than a quorum"),
        ((0, 1, 1, 1), "one of them three times"),
        ((0, 1, 4), "a stranger among them"),
        ((4, 5, 3), "mostly strangers"),
    ],
)
def test_less_than_a_quorum_is_refused(cosigners: tuple[int, ...], what: str) -> None:
    with pytest.raises(VerificationError, match="policy is not satisfied"):
        verify_checkpoint(LOG.note(cosigners), POLICY)


def test_keys_of_another_era_do_not_count() -> None:
    """v3 was re-keyed: its old key counts under the old policy, its new one under the new."""
    new_set = replace(LOG.genesis.validators, validators=(*set_of(0, 1, 2).validators, rekeyed(3, 5)))
    new_policy = validators_policy(LOG.origin, new_set)
    old = LOG.note((0, 1, 3))
    verify_checkpoint(old, POLICY)
    with pytest.raises(VerificationError, match="2 of 'validators' cosigned, and 3 must"):
        verify_checkpoint(old, new_policy)
    checkpoint, key = LOG.checkpoint(), founder(5).cosigning_key
    line = cosign(key, cosigner_key(LOG.origin, rekeyed(3, 5)), checkpoint, TIME_S)
    new = Note(checkpoint.text, (*LOG.note((0, 1)).signatures, line))
    assert len(verify_checkpoint(new, new_policy).witnesses) == 3
    with pytest.raises(VerificationError, match="2 of 'validators' cosigned, and 3 must"):
        verify_checkpoint(new, POLICY)


def test_the_checkpoint_of_another_chain_is_refused() -> None:
    """The same validators, with the same keys, on two chains."""
    other = SampleLog(genesis_of(4, parameters=Parameters(heartbeat_ms=61_000)), 7)
    verify_checkpoint(other.note(), other.policy)
    with pytest.raises(VerificationError, match="no log with the origin"):
        verify_checkpoint(other.note(), POLICY)
    transplanted = Note(LOG.checkpoint().text, other.note().signatures)
    with pytest.raises(VerificationError, match="not signed"):
        verify_checkpoint(transplanted, POLICY)


def test_the_note_must_be_signed_by_a_log_key_of_the_policy() -> None:
    cosignatures = LOG.note((0, 1, 2)).signatures[1:]
    with pytest.raises(VerificationError, match="not signed"):
        verify_checkpoint(Note(LOG.checkpoint().text, cosignatures), POLICY)
    with pytest.raises(VerificationError, match="not signed"):
        verify_checkpoint(LOG.note((0, 1, 2), by=4), POLICY)
    for by in range(4):
        verify_checkpoint(LOG.note((0, 1, 2), by=by), POLICY)


def test_a_cosignature_does_not_sign_the_note_nor_the_note_count_as_one() -> None:
    checkpoint = LOG.checkpoint()
    own = tuple(sign(founder(index).cosigning_key, checkpoint) for index in range(4))
    with pytest.raises(VerificationError, match="0 of 'validators' cosigned"):
        verify_checkpoint(Note(checkpoint.text, own), POLICY)


def test_one_forged_cosignature_spoils_the_note() -> None:
    good, bad = LOG.note((0, 1, 2)), LOG.note((3,), size=6).signatures[1]
    with pytest.raises(VerificationError, match="v3 does not verify"):
        verify_checkpoint(Note(good.text, (*good.signatures, bad)), POLICY)


def test_an_auditor_may_demand_more_than_the_validators() -> None:
    text = POLICY.encode().decode().replace("quorum validators\n", "")
    mine = (
        text + f"# mine\n\twitness mine  {KEYS[4]} https://w.example/ \n\ngroup both all mine validators\nquorum both\n"
    )
    policy = parse_policy(mine.encode())
    verify_checkpoint(LOG.note((0, 1, 2, 4)), policy)
    for lacking in ((0, 1, 2, 3), (0, 1, 4)):
        with pytest.raises(VerificationError, match="'both'"):
            verify_checkpoint(LOG.note(lacking), policy)


def test_a_policy_without_cosigners_or_logs_says_so() -> None:
    only_log = parse_policy(f"log {POLICY.logs[0].encode()}\nquorum none\n".encode())
    verify_checkpoint(LOG.note(()), only_log)
    any_log = Policy((), POLICY.witnesses, POLICY.groups, POLICY.quorum)
    assert verify_checkpoint(LOG.note((0, 1, 2), by=4), any_log).logs == ()


def test_a_policy_that_asks_for_no_signature_at_all_is_never_satisfied() -> None:
    nobody = parse_policy(b"quorum none\n")
    unsigned = Note(LOG.checkpoint().text, (replace(LOG.note(()).signatures[0], signature=bytes(64)),))
    for note in (unsigned, LOG.note((0, 1, 2))):
        with pytest.raises(VerificationError, match="asks for no signature"):
            verify_checkpoint(note, nobody)


def test_names_outside_utf_8_are_opaque_and_those_of_keys_are_refused() -> None:
    """tlog-policy compares names octet by octet; a note, which names keys, is UTF-8."""
    name = b"\xff\xfe"
    text = b"witness " + name + b" " + KEYS[0].encode() + b"\nquorum " + name + b"\n"
    policy = parse_policy(text)
    assert policy.encode() == text
    verify_checkpoint(LOG.note((0,)), policy)
    with pytest.raises(VerificationError, match="cosigned"):
        verify_checkpoint(LOG.note((1,)), policy)
    key_name, rest = KEYS[0].encode().split(b"+", 1)
    with pytest.raises(MalformedError, match="line 1 of the policy"):
        parse_policy(b"witness w " + key_name + name + b"+" + rest + b"\nquorum w\n")


LOG_LINE = f"log {POLICY.logs[0].encode()}\n"
WITNESSES = "".join(f"witness w{index} {key}\n" for index, key in enumerate(KEYS))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "exactly one quorum"),
        ("quorum none\nquorum none\n", "exactly one quorum"),
        ("quorum none", "no newline"),
        ("quorum q\nwitness q " + KEYS[0] + "\n", "line 1"),
        ("group g 1 w0\n" + WITNESSES + "quorum g\n", "line 1"),
        (WITNESSES + "group g 0 w0\nquorum g\n", "number from 1 to 1"),
        (WITNESSES + "group g 3 w0 w1\nquorum g\n", "number from 1 to 2"),
        (WITNESSES + "group g 01 w0 w1\nquorum g\n", "number from 1 to 2"),
        (WITNESSES + "group g some w0 w1\nquorum g\n", "neither all nor any"),
        (WITNESSES + "group g all\nquorum g\n", "line 6"),
        (WITNESSES + "group g 2 w0 w0\nquorum g\n", "a member already"),
        (WITNESSES + "group g any w0\ngroup h any w0\nquorum h\n", "a member already"),
        (WITNESSES + "group w0 any w1\nquorum w0\n", "taken"),
        (WITNESSES + "group none any w1\nquorum none\n", "taken"),
        (WITNESSES + "group g any none\nquorum g\n", "is defined before it"),
        (f"witness a {KEYS[0]}\nwitness b {KEYS[0]}\nquorum a\n", "earlier line"),
        (f"witness a {KEYS[0]}\nwitness a {KEYS[1]}\nquorum a\n", "taken"),
        (LOG_LINE + LOG_LINE + "quorum none\n", "earlier line"),
        (f"log {KEYS[0]}\nquorum none\n", "type"),
        (f"witness a {POLICY.logs[0].encode()}\nquorum a\n", "type"),
        (f"witness a {KEYS[0]} url more\nquorum a\n", "none of"),
        ("Quorum none\n", "none of"),
        ("quorum none\r\n", "control"),
        ("quorum\x0bnone\n", "control"),
        ("#" * POLICY_BYTES_MAX + "\nquorum none\n", "bytes"),
        ("\n" * 5_000 + "quorum none\n", "lines"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        parse_policy(text.encode())


def test_names_are_octets() -> None:
    raw = (
        f"witness \u212a {KEYS[0]}\n".encode()
        + b"witness \xff\xfe "
        + KEYS[1].encode()
        + b"\ngroup K all \xff\xfe\nquorum K\n"
    )
    policy = parse_policy(raw)
    assert policy.quorum == "K"
    assert policy.groups[0].members == (b"\xff\xfe".decode("utf-8", "surrogateescape"),)


def test_the_largest_validator_set_fits_its_note_and_its_policy() -> None:
    """A hundred validators with names, and a network with a name, as long as they may be."""
    names = [f"v{index:03}".ljust(64, "x") for index in range(100)]
    key = founder(0).card.validator
    validators = tuple(
        replace(
            key,
            name=name,
            consensus_key=signing_key(f"consensus {name}").public_key,
            node_key=signing_key(f"node {name}").public_key,
            cosigning_key=signing_key(f"cosigning {name}").public_key,
        )
        for name in names
    )
    origin = log_origin(replace(genesis_of(1), network="+" * 64))
    policy = validators_policy(origin, ValidatorSet(validators, default_quorum(100)))
    assert parse_policy(policy.encode()) == policy
    checkpoint = Checkpoint(origin, 2**53 - 1, Digest(bytes(32)))
    keys = [signing_key(f"cosigning {name}") for name in names]
    pairs = zip(keys, validators, strict=True)
    lines = [cosign(key, cosigner_key(origin, item), checkpoint, TIME_S) for key, item in pairs]
    note = Note(checkpoint.text, (sign(keys[7], checkpoint), *lines))
    assert len(verify_checkpoint(parse_note(note.encode()), policy).witnesses) == 100
