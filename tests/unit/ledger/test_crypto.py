"""The one door: what it accepts is decided by our rule, whatever library stands behind it.

`curve` is the rule written a second time in plain Python. Crafted cases are those on which libraries are known to
differ (ed25519-speccheck; "Taming the many EdDSAs", ePrint 2020/1244).
"""

from __future__ import annotations

import hashlib
import random

import nacl.bindings
import nacl.exceptions
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.crypto import SigningKey, check_public_key, digest, self_test, tag, verify
from ledger.errors import VerificationError
from ledger.primitives import PublicKey, Signature
from tests.unit.ledger import curve
from tests.unit.ledger.crafted_signatures import Case, by_cryptography, by_sodium, crafted_cases, little

RFC_8032_VECTORS = [  # section 7.1, tests 1 to 3: seed, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
        "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032_VECTORS)
def test_rfc_8032_vectors(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey(bytes.fromhex(seed))
    assert key.public_key.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    assert check_public_key(key.public_key)
    assert verify(key.public_key, bytes.fromhex(message), Signature(bytes.fromhex(signature)))


def test_a_signing_key_shows_no_secret() -> None:
    key = SigningKey(bytes(range(32)))
    assert repr(key) == f"SigningKey(public_key={key.public_key.hex()})"
    assert bytes(range(32)).hex() not in repr(key)


def test_tags_separate_domains() -> None:
    assert tag("block") == b"quorum-ledger/v1/block\0"
    assert digest(tag("block"), b"x") == hashlib.sha256(b"quorum-ledger/v1/block\0x").digest()
    assert not tag("blocks").startswith(tag("block")), "no tag is a prefix of another"


# ---- crafted signatures


CRAFTED = crafted_cases()


def accepted(key: bytes, message: bytes, signature: bytes) -> bool:
    """What the ledger does: the key is checked when it is registered, the signature when it comes."""
    return check_public_key(PublicKey(key)) and verify(PublicKey(key), message, Signature(signature))


@pytest.mark.parametrize("case", CRAFTED, ids=lambda case: case.name)
def test_crafted_signatures(case: Case) -> None:
    assert accepted(case.key, case.message, case.signature) is case.accepted
    oracle = curve.key_is_acceptable(case.key) and curve.signature_is_acceptable(case.key, case.message, case.signature)
    assert oracle is case.accepted


def test_verify_alone_refuses_bad_signatures_under_good_keys_and_never_raises() -> None:
    for case in CRAFTED:
        assert verify(PublicKey(case.key), case.message, Signature(case.signature)) in (True, False)


@given(st.binary(max_size=70), st.binary(max_size=40), st.binary(max_size=70))
def test_noise_is_refused(key: bytes, message: bytes, signature: bytes) -> None:
    assert not accepted(key, message, signature)


REFUSED_BY_OUR_RULE = [
    case for case in CRAFTED if case.name.startswith(("S ", "highest", "R =", "R of ", "R not", "R with the sign", "6"))
]


@pytest.mark.parametrize("case", REFUSED_BY_OUR_RULE, ids=lambda case: case.name)
def test_our_rule_asks_no_library(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The predicate is ours: it refuses these also before a library that accepts everything."""
    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", lambda signed, key: signed[64:])
    assert not verify(PublicKey(case.key), case.message, Signature(case.signature))


def test_a_key_beyond_the_field_prime_is_refused_whatever_the_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nacl.bindings, "crypto_core_ed25519_is_valid_point", lambda key: True)
    for number in range(19):
        for sign in (0, 1 << 255):
            assert not check_public_key(PublicKey(little(curve.P + number | sign)))
    assert check_public_key(PublicKey(little(curve.P - 1)))


# ---- the two libraries, raw and behind the door


def random_cases(count: int) -> list[tuple[bytes, bytes, bytes]]:
    """`count` crafted signatures from one seed, a twelfth of each kind."""
    draw = random.Random(8032)
    cases = []
    for number in range(count):
        kind = number % 12
        a, r = draw.randrange(1, curve.L), draw.randrange(1, curve.L)
        message = draw.randbytes(draw.randrange(40))
        a_point, r_point = curve.multiply(a, curve.BASE), curve.multiply(r, curve.BASE)
        if kind in (1, 2):
            r_point = curve.add(r_point, draw.choice(curve.TORSION))
        elif kind == 3:
            r, r_point = 0, draw.choice(curve.TORSION)
        elif kind in (4, 5):
            a_point = curve.add(a_point, draw.choice(curve.TORSION))
        elif kind == 6:
            a, a_point = 0, draw.choice(curve.TORSION)
        key, r_bytes = curve.encode(a_point), curve.encode(r_point)
        s = (r + curve.challenge(r_bytes, key, message) * a) % curve.L
        if kind == 7:
            s += curve.L
        elif kind == 8:
            s = (s + 1) % curve.L
        elif kind == 9:
            r_bytes = bytes([r_bytes[0] ^ 1]) + r_bytes[1:]
        elif kind == 10:
            r_bytes = little(curve.P + draw.randrange(19))
        elif kind == 11:
            key = little(curve.P + draw.randrange(19))
        cases.append((key, message, r_bytes + little(s)))
    return cases


def test_libraries_differ_on_crafted_signatures_and_agree_behind_the_door() -> None:
    raw_differences = behind = 0
    for key, message, signature in random_cases(300):
        sodium, openssl = by_sodium(key, message, signature), by_cryptography(key, message, signature)
        oracle = curve.key_is_acceptable(key) and curve.signature_is_acceptable(key, message, signature)
        assert accepted(key, message, signature) is oracle
        raw_differences += sodium is not openssl
        s = int.from_bytes(signature[32:], "little")
        r = curve.decode(signature[:32])
        canonical_r = int.from_bytes(signature[:32], "little") & ((1 << 255) - 1) < curve.P
        if curve.key_is_acceptable(key) and s < curve.L and canonical_r and r not in curve.TORSION:
            behind += 1
            assert sodium is openssl is oracle
    assert raw_differences > 0, "the cases are too tame: the libraries agree on all of them"
    assert behind > 100


def test_the_point_check_is_the_torsion_check() -> None:
    draw = random.Random(255)
    for number in range(60):
        point = curve.multiply(draw.randrange(1, curve.L), curve.BASE)
        if number % 2:
            point = curve.add(point, draw.choice(curve.TORSION[1:]))
        key = curve.encode(point)
        assert check_public_key(PublicKey(key)) is curve.key_is_acceptable(key) is (number % 2 == 0)
    for torsion in curve.TORSION:
        assert not check_public_key(PublicKey(curve.encode(torsion)))
    for number in range(19):
        assert not check_public_key(PublicKey(little(curve.P + number)))


# ---- the start-up self-test


def test_the_linked_library_passes() -> None:
    self_test()


def test_a_library_that_accepts_everything_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", lambda signed, key: signed[64:])
    with pytest.raises(VerificationError, match="another message"):
        self_test()


def test_a_library_that_accepts_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(signed: bytes, key: bytes) -> bytes:
        raise nacl.exceptions.BadSignatureError

    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", refuse)
    with pytest.raises(VerificationError, match="RFC 8032 test 2"):
        self_test()


def test_a_library_that_verifies_with_the_cofactor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As libsodium does from some release on: one crafted vote would split its nodes from all others."""

    def open_with_cofactor(signed: bytes, key: bytes) -> bytes:
        r, a = curve.decode(signed[:32]), curve.decode(key)
        if r is None or a is None:
            raise nacl.exceptions.BadSignatureError
        h, s = curve.challenge(signed[:32], key, signed[64:]), int.from_bytes(signed[32:64], "little")
        if curve.multiply(8 * s, curve.BASE) != curve.multiply(8, curve.add(r, curve.multiply(h, a))):
            raise nacl.exceptions.BadSignatureError
        return signed[64:]

    monkeypatch.setattr(nacl.bindings, "crypto_sign_open", open_with_cofactor)
    with pytest.raises(VerificationError, match="R with torsion"):
        self_test()


def test_a_library_that_takes_keys_with_torsion_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_the_curve(key: bytes) -> bool:
        point = curve.decode(key)
        return point is not None and point not in curve.TORSION

    monkeypatch.setattr(nacl.bindings, "crypto_core_ed25519_is_valid_point", on_the_curve)
    with pytest.raises(VerificationError, match="key of mixed order"):
        self_test()
