"""The DER of an encrypted private key: PKCS#8 with PBES2, scrypt and AES-256-CBC, encoded by `cryptography`.

    EncryptedPrivateKeyInfo ::= SEQUENCE { algorithm, encryptedData OCTET STRING }         RFC 5958 section 3
    algorithm               ::= PBES2 { keyDerivationFunc scrypt, encryptionScheme aes }   RFC 8018 appendix A.4
    scrypt-params           ::= SEQUENCE { salt, N, r, p }                                 RFC 7914 section 7

Written here because `cryptography` (50) cannot be asked for scrypt when it writes a key; it reads this form.
"""

from __future__ import annotations

from cryptography.hazmat import asn1
from cryptography.x509 import ObjectIdentifier

_PBES2 = ObjectIdentifier("1.2.840.113549.1.5.13")
_SCRYPT = ObjectIdentifier("1.3.6.1.4.1.11591.4.11")
_AES_256_CBC = ObjectIdentifier("2.16.840.1.101.3.4.1.42")


@asn1.sequence
class _ScryptParameters:
    salt: bytes
    cost: int
    block: int
    parallel: int


@asn1.sequence
class _KeyDerivation:
    algorithm: ObjectIdentifier
    parameters: _ScryptParameters


@asn1.sequence
class _EncryptionScheme:
    algorithm: ObjectIdentifier
    iv: bytes


@asn1.sequence
class _Pbes2Parameters:
    key_derivation: _KeyDerivation
    encryption_scheme: _EncryptionScheme


@asn1.sequence
class _Pbes2:
    algorithm: ObjectIdentifier
    parameters: _Pbes2Parameters


@asn1.sequence
class _EncryptedPrivateKeyInfo:
    algorithm: _Pbes2
    encrypted_data: bytes


def encrypted_private_key_info(
    encrypted_data: bytes, *, salt: bytes, iv: bytes, cost: int, block: int, parallel: int
) -> bytes:
    """DER of EncryptedPrivateKeyInfo around `encrypted_data`; cost, block and parallel are scrypt's N, r and p."""
    scrypt = _ScryptParameters(salt=salt, cost=cost, block=block, parallel=parallel)
    parameters = _Pbes2Parameters(
        key_derivation=_KeyDerivation(algorithm=_SCRYPT, parameters=scrypt),
        encryption_scheme=_EncryptionScheme(algorithm=_AES_256_CBC, iv=iv),
    )
    algorithm = _Pbes2(algorithm=_PBES2, parameters=parameters)
    return asn1.encode_der(_EncryptedPrivateKeyInfo(algorithm=algorithm, encrypted_data=encrypted_data))
