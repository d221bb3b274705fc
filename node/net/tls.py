"""Mutual TLS 1.3 between holders of Ed25519 node keys, with no certificates exchanged beforehand.

Everybody knows only public keys. For each key that may be at the other end, a *trust anchor* is synthesized: a CA
certificate with that key in it and a signature that nobody made. OpenSSL trusts anchors for what they are and does not
check their self-signature (`X509_V_FLAG_CHECK_SS_SIGNATURE` is off by default; a regression test holds it). Each node
presents a *leaf*: a certificate for a key made when the contexts are built, signed by its node key. So the handshake
proves that the other end is vouched for by one of the listed keys, and `identify` then says by which, with our own
strict signature rule, not by what OpenSSL made of it.

Nothing expires by the calendar (design section 8), because a node whose clock is wrong must still reach its peers:
anchors and leaves are valid from 1970 to 9999 (RFC 5280, section 4.1.2.5). A key loses its trust by no longer being
listed: the contexts are built anew, and its link is closed. There is no session resumption, which would outlive that.

The leaf's private key passes through a file, as OpenSSL's interface demands: mode 0600, encrypted with a password that
exists in memory only, and removed at once.
"""

from __future__ import annotations

import secrets
import ssl
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ledger.crypto import verify
from ledger.errors import VerificationError
from ledger.primitives import PublicKey, Signature

_EVER = datetime(1970, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_LEAF_NAME = "quorum-node"
_NOBODY = Ed25519PrivateKey.from_private_bytes(bytes(32))
"""Signs the anchors of everybody: whoever looked at these signatures would find them all wrong."""


@dataclass(frozen=True, slots=True)
class Contexts:
    """What a node accepts and dials with; both trust exactly the keys they were built for."""

    server: ssl.SSLContext
    client: ssl.SSLContext


def build_contexts(seed: bytes, allowed: Collection[PublicKey]) -> Contexts:
    """Contexts for the node whose node key is `seed`, trusting the node keys `allowed` at the other end."""
    identity = Ed25519PrivateKey.from_private_bytes(seed)
    leaf_key = Ed25519PrivateKey.generate()
    password = secrets.token_bytes(32)
    pem = leaf_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    pem += _leaf(identity, leaf_key.public_key()).public_bytes(Encoding.PEM)
    anchors = b"".join(_anchor(key).public_bytes(Encoding.DER) for key in sorted(allowed))
    with tempfile.NamedTemporaryFile(prefix="quorum-node-", suffix=".pem") as file:
        file.write(pem)
        file.flush()
        return Contexts(
            server=_context(ssl.PROTOCOL_TLS_SERVER, file.name, password, anchors),
            client=_context(ssl.PROTOCOL_TLS_CLIENT, file.name, password, anchors),
        )


def identify(certificate: bytes | None, allowed: Collection[PublicKey]) -> PublicKey:
    """The node key, one of `allowed`, that vouches for the leaf which the other end of a TLS connection presented.

    `certificate` is the leaf's DER, None when there was none. Raises `VerificationError`.
    """
    if certificate is None:
        raise VerificationError("the peer presented no certificate")
    try:
        leaf = x509.load_der_x509_certificate(certificate)
        (issuer,) = leaf.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
        key = PublicKey(bytes.fromhex(str(issuer.value)))
        content, signature = leaf.tbs_certificate_bytes, Signature(leaf.signature)
    except ValueError as error:
        raise VerificationError(f"the peer's certificate cannot be read: {error}") from None
    if key not in allowed:
        raise VerificationError(f"the node key {key.hex()} is not listed")
    if not verify(key, content, signature):
        raise VerificationError(f"the peer's certificate is not signed by {key.hex()}, which it names")
    return key


def _context(protocol: int, path: str, password: bytes, anchors: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # a peer is its key, wherever it is
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    if protocol == ssl.PROTOCOL_TLS_SERVER:
        context.num_tickets = 0
    context.load_cert_chain(path, password=password)
    if anchors:
        context.load_verify_locations(cadata=anchors)
    return context


def _name(key: PublicKey) -> x509.Name:
    """The name of a node key in certificates: its 64 hex digits, just what a common name holds."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, key.hex())])


def _key_usage(*, signs_content: bool, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signs_content,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _anchor(key: PublicKey) -> x509.Certificate:
    """A CA certificate that makes OpenSSL trust leaves signed by `key`, and nothing further down (path length 0)."""
    public = Ed25519PublicKey.from_public_bytes(key)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(key))
        .issuer_name(_name(key))
        .public_key(public)
        .serial_number(1)
        .not_valid_before(_EVER)
        .not_valid_after(_NEVER)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_content=False, signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(_NOBODY, None)
    )


def _leaf(identity: Ed25519PrivateKey, leaf_key: Ed25519PublicKey) -> x509.Certificate:
    """What the holder of `identity` presents: a certificate for `leaf_key`, which signs the handshakes."""
    identity_key = identity.public_key()
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _LEAF_NAME)]))
        .issuer_name(_name(PublicKey(identity_key.public_bytes_raw())))
        .public_key(leaf_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_EVER)
        .not_valid_after(_NEVER)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_content=True, signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{_LEAF_NAME}.invalid")]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(identity_key), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(leaf_key), critical=False)
        .sign(identity, None)
    )
