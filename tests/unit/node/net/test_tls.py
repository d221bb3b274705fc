"""Peer TLS over memory, no sockets: who gets through the handshake, and who is then said to be there."""

from __future__ import annotations

import hashlib
import os
import ssl
import tempfile
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from ledger.crypto import SigningKey, verify
from ledger.errors import VerificationError
from ledger.primitives import PublicKey, Signature
from node.net import tls

GENUINE_LEAF = tls._leaf


def seed_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def key_of(name: str) -> PublicKey:
    return SigningKey(seed_of(name)).public_key


def contexts(name: str, *allowed: str) -> tls.Contexts:
    return tls.build_contexts(seed_of(name), [key_of(other) for other in allowed])


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[bytes | None, bytes | None]:
    """What each end has of the other after a handshake: (the client's leaf, the server's leaf). Raises `SSLError`."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="anything.invalid"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(20):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not waiting
    return ends[1].getpeercert(binary_form=True), ends[0].getpeercert(binary_form=True)


def test_honest_nodes_know_each_other() -> None:
    of_client, of_server = shake_hands(contexts("a", "b").server, contexts("b", "a").client)
    assert tls.identify(of_client, {key_of("b")}) == key_of("b")
    assert tls.identify(of_server, {key_of("a")}) == key_of("a")


def test_among_a_hundred_keys_the_right_one_is_found() -> None:
    many = [f"node-{number}" for number in range(100)]
    of_client, _ = shake_hands(contexts("a", *many).server, contexts("node-73", "a").client)
    assert tls.identify(of_client, [key_of(name) for name in many]) == key_of("node-73")


def test_a_key_that_is_not_listed_is_refused_by_either_side() -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(contexts("a", "b").server, contexts("stranger", "a").client)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(contexts("stranger", "b").server, contexts("b", "a").client)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(contexts("a").server, contexts("b", "a").client)


def imposter(name: str, *, claims: str) -> tls.Contexts:
    """The contexts of the holder of one key, who presents leaves that name another as their issuer."""

    def forge(identity: Ed25519PrivateKey, leaf_key: Ed25519PublicKey) -> x509.Certificate:
        claimed = Ed25519PublicKey.from_public_bytes(key_of(claims))
        return forged_leaf(leaf_key, claimed).sign(identity, None)

    original, tls._leaf = tls._leaf, forge
    try:
        made = contexts(name)
    finally:
        tls._leaf = original
    made.client.verify_mode = ssl.CERT_NONE
    made.server.verify_mode = ssl.CERT_NONE
    return made


def forged_leaf(leaf_key: Ed25519PublicKey, issuer: Ed25519PublicKey) -> x509.CertificateBuilder:
    genuine = GENUINE_LEAF(Ed25519PrivateKey.generate(), leaf_key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(genuine.subject)
        .issuer_name(tls._name(PublicKey(issuer.public_bytes_raw())))
        .public_key(leaf_key)
        .serial_number(7)
        .not_valid_before(genuine.not_valid_before_utc)
        .not_valid_after(genuine.not_valid_after_utc)
    )
    for extension in genuine.extensions:
        value = extension.value
        if isinstance(value, x509.AuthorityKeyIdentifier):
            value = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer)
        builder = builder.add_extension(value, extension.critical)
    return builder


def test_an_imposter_that_claims_a_listed_key_is_refused_by_either_side() -> None:
    """OpenSSL does not check the signature of an anchor, and that must not make it careless with those of leaves."""
    with pytest.raises(ssl.SSLCertVerificationError, match="signature"):
        shake_hands(contexts("a", "b").server, imposter("stranger", claims="b").client)
    with pytest.raises(ssl.SSLCertVerificationError, match="signature"):
        shake_hands(imposter("stranger", claims="a").server, contexts("b", "a").client)


def test_openssl_does_not_check_the_signatures_of_anchors() -> None:
    """The trick this rests on: an anchor's self-signature is wrong, and OpenSSL trusts the anchor all the same.

    Should a new OpenSSL check it (X509_V_FLAG_CHECK_SS_SIGNATURE), the honest handshake fails, not the dishonest one.
    """
    anchor = tls._anchor(key_of("a"))
    assert not verify(key_of("a"), anchor.tbs_certificate_bytes, Signature(anchor.signature))
    shake_hands(contexts("b", "a").server, contexts("a", "b").client)
    checking = contexts("b", "a").server
    checking.verify_flags |= 0x4000  # X509_V_FLAG_CHECK_SS_SIGNATURE, for which Python has no name
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(checking, contexts("a", "b").client)


def test_a_leaf_cannot_vouch_for_another() -> None:
    """A listed node that signs a certificate for somebody else hands out its own identity, not a further one."""
    inner = Ed25519PrivateKey.generate()
    chain = tls._leaf(inner, Ed25519PrivateKey.generate().public_key())
    with pytest.raises(VerificationError, match="not listed"):
        tls.identify(chain.public_bytes(Encoding.DER), {key_of("a"), key_of("b")})


def refused(certificate: bytes | None, allowed: Collection[PublicKey] = frozenset()) -> str:
    with pytest.raises(VerificationError) as caught:
        tls.identify(certificate, allowed)
    return str(caught.value)


def test_identify_judges_for_itself() -> None:
    """Whatever TLS let through: no certificate, no X.509, no key in the name, an unlisted key, a wrong signature."""
    assert "no certificate" in refused(None)
    assert "cannot be read" in refused(b"\x30\x00")
    assert "cannot be read" in refused(certificate_by(lambda builder: builder))
    leaf = tls._leaf(Ed25519PrivateKey.from_private_bytes(seed_of("b")), Ed25519PrivateKey.generate().public_key())
    assert tls.identify(leaf.public_bytes(Encoding.DER), {key_of("b")}) == key_of("b")
    assert "is not listed" in refused(leaf.public_bytes(Encoding.DER), {key_of("a")})
    forged = forged_leaf(Ed25519PrivateKey.generate().public_key(), Ed25519PublicKey.from_public_bytes(key_of("b")))
    by_stranger = forged.sign(Ed25519PrivateKey.from_private_bytes(seed_of("stranger")), None)
    assert "is not signed by" in refused(by_stranger.public_bytes(Encoding.DER), {key_of("b")})


def certificate_by(change: Callable[[x509.CertificateBuilder], x509.CertificateBuilder]) -> bytes:
    key = Ed25519PrivateKey.from_private_bytes(seed_of("b"))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "not a key")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    builder = builder.serial_number(1).not_valid_before(moment).not_valid_after(moment)
    return change(builder).sign(key, None).public_bytes(Encoding.DER)


def test_nothing_expires_by_the_calendar() -> None:
    leaf = tls._leaf(Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate().public_key())
    for certificate in (leaf, tls._anchor(key_of("a"))):
        assert certificate.not_valid_before_utc == datetime(1970, 1, 1, tzinfo=UTC)
        assert certificate.not_valid_after_utc == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_only_tls_1_3_with_a_certificate_and_no_resumption() -> None:
    made = contexts("a", "b")
    for context in (made.server, made.client):
        assert context.minimum_version is ssl.TLSVersion.TLSv1_3
        assert context.verify_mode is ssl.CERT_REQUIRED
    assert made.server.num_tickets == 0


def test_the_leaf_key_touches_the_disk_encrypted_private_and_briefly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen: list[tuple[int, bytes]] = []
    load = ssl.SSLContext.load_cert_chain

    def spy(self: ssl.SSLContext, path: str, password: bytes) -> None:
        seen.append((os.stat(path).st_mode & 0o777, Path(path).read_bytes()))
        load(self, path, password=password)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", spy)
    contexts("a", "b")
    assert [mode for mode, _ in seen] == [0o600, 0o600]
    assert all(b"BEGIN ENCRYPTED PRIVATE KEY" in data for _, data in seen)
    assert list(tmp_path.iterdir()) == []
    identity = Ed25519PrivateKey.from_private_bytes(seed_of("a"))
    plain = identity.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert all(plain not in data for _, data in seen)
