"""Signed notes: the specification's own examples, what is no note, and whose signatures count."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.crypto import SigningKey
from ledger.errors import MalformedError, VerificationError
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from ledger.log.signed_note import (
    Note,
    SignatureLine,
    SignatureType,
    VerifierKey,
    parse_note,
    parse_verifier_key,
    verify_note,
)
from ledger.primitives import PublicKey
from tests.unit.ledger.founders import signing_key

EXAMPLE_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE = (
    "This is an example message.\n\n"
    "— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""https://c2sp.org/signed-note, "Verifier keys"."""

OTHER_EXAMPLE = (
    "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n"
    "— quasimodo.example/salvatore "
    "NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n"
)

ALICE, BOB = signing_key("alice"), signing_key("bob")


def key(signer: SigningKey, name: str = "example.com/log") -> VerifierKey:
    return VerifierKey(name, SignatureType.ED25519, signer.public_key)


def line(signer: SigningKey, text: str, name: str = "example.com/log") -> SignatureLine:
    return SignatureLine(name, key(signer, name).key_id, signer.sign(text.encode()))


def test_the_example_of_the_specification_verifies() -> None:
    known = parse_verifier_key(EXAMPLE_KEY)
    note = parse_note(EXAMPLE.encode())
    assert known.encode() == EXAMPLE_KEY
    assert note.encode() == EXAMPLE.encode()
    assert verify_note(note, [known]) == {known: None}
    with pytest.raises(VerificationError):
        verify_note(Note("This is an example massage.\n", note.signatures), [known])


def test_a_text_may_have_empty_lines_and_any_script() -> None:
    note = parse_note(OTHER_EXAMPLE.encode())
    assert note.text.endswith("sole:\n\ned è subito sera.\n")
    assert note.encode() == OTHER_EXAMPLE.encode()


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text.replace("\n\n", "\n"), "an empty line"),
        (lambda text: text.removesuffix("\n"), "newline"),
        (lambda text: text + "\n", "an empty line"),
        (lambda text: text.replace("—", "-"), "em dash"),
        (lambda text: text.replace("— ", "—"), "em dash"),
        (lambda text: text.replace("foo ", "f+o "), "plus"),
        (lambda text: text.replace("foo ", "foo\u00a0bar "), "spaces"),
        (lambda text: text.replace("example.com/foo ", " "), "key name"),
        (lambda text: text.replace("message", "mess\tage"), "control"),
        (lambda text: text.replace("message", "mess\rage"), "control"),
        (lambda text: text.replace("aQM=", "aQM"), "base 64"),
        (lambda text: text.replace("aQM=", "aQN="), "base 64"),
        (lambda text: text.replace("aQM=", "a-M="), "base 64"),
        (lambda text: text[: text.index("Uw2Q")] + "Uw2QOg==\n", "key id"),
        (lambda text: text + text[text.index("—") :] * NOTE_SIGNATURES_MAX, "signature lines"),
        (lambda text: "x" * NOTE_BYTES_MAX + text, "bytes"),
        (lambda text: "", "an empty line"),
        (lambda text: text[text.index("\n") :], "an empty line"),
    ],
)
def test_what_is_no_note_is_refused_with_its_reason(damage: object, why: str) -> None:
    assert callable(damage)
    with pytest.raises(MalformedError, match=why):
        parse_note(damage(EXAMPLE).encode())


def test_bytes_that_are_not_utf_8_are_no_note() -> None:
    with pytest.raises(MalformedError, match="UTF-8"):
        parse_note(EXAMPLE.encode().replace(b"message", b"mess\xffge"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("example.com/foo+530d903a", "NAME"),
        (EXAMPLE_KEY.replace("530d903a", "530d903b"), "id"),
        (EXAMPLE_KEY.replace("530d903a", "530D903A"), "id"),
        (EXAMPLE_KEY.replace("example.com/foo", ""), "name"),
        (EXAMPLE_KEY.replace("example", "exa mple"), "name"),
        (EXAMPLE_KEY.replace("+Aeky", "+Beky"), "type"),
        (EXAMPLE_KEY.removesuffix("k"), "base 64"),
        (EXAMPLE_KEY + "=", "base 64"),
        (VerifierKey("small", SignatureType.ED25519, PublicKey((1).to_bytes(32, "little"))).encode(), "acceptable"),
    ],
)
def test_what_is_no_verifier_key_is_refused_with_its_reason(text: str, why: str) -> None:
    with pytest.raises(MalformedError, match=why):
        parse_verifier_key(text)


def test_signatures_of_others_are_ignored_also_when_they_share_a_name_or_an_id() -> None:
    text = "text\n"
    stranger = SignatureLine("example.com/log", key(BOB).key_id, b"nonsense")
    namesake = SignatureLine("example.com/other", key(ALICE).key_id, b"nonsense")
    note = Note(text, (stranger, namesake, line(ALICE, text)))
    assert verify_note(note, [key(ALICE)]) == {key(ALICE): None}
    assert verify_note(note, []) == {}


def test_a_bad_signature_of_a_known_key_spoils_the_note() -> None:
    note = Note("text\n", (line(ALICE, "text\n"), line(BOB, "another\n")))
    assert set(verify_note(note, [key(ALICE)])) == {key(ALICE)}
    with pytest.raises(VerificationError, match=r"example\.com/log"):
        verify_note(note, [key(ALICE), key(BOB)])


def test_a_signature_counts_once_and_for_its_type_only() -> None:
    note = Note("text\n", (line(ALICE, "text\n"),) * 3)
    assert verify_note(note, [key(ALICE), key(ALICE)]) == {key(ALICE): None}
    cosigner = VerifierKey("example.com/log", SignatureType.COSIGNATURE, ALICE.public_key)
    assert verify_note(note, [cosigner]) == {}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_parser_fail_in_another_way(data: bytes) -> None:
    for candidate in (data, EXAMPLE.encode()[: len(data)] + data):
        try:
            note = parse_note(candidate)
        except MalformedError:
            continue
        assert note.encode() == candidate
