"""Which chain this is: the genesis that the user pinned, by file, by hash, or by both.

Nothing that a node says is verified against what the same node says. A genesis file is the trust anchor, its hash is
what people compare over another channel; when both are given they must agree (design section 5, "Receipt").
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from wallet.exit_codes import WalletError, usage_error, verification_error
from wallet.files import read_bounded

if TYPE_CHECKING:
    from ledger.genesis import Genesis
    from ledger.primitives import Digest
    from wallet.session import Settings

_HOW = "Pin it once: quorum-wallet genesis pin URL --hash HEX (the hash that the operators published)"


def pinned_chain(settings: Settings) -> Digest:
    """The hash of the pinned genesis. Raises `WalletError`: nothing is pinned (2), or file and hash differ (10)."""
    if settings.genesis:
        return pinned_genesis(settings).chain
    if settings.genesis_hash:
        return parse_genesis_hash(settings.genesis_hash)
    raise usage_error("No genesis is pinned, so it is not known which chain this is.", code="not_pinned", remedy=_HOW)


def pinned_genesis(settings: Settings) -> Genesis:
    """The pinned genesis, parsed. Raises `WalletError`: no file (2), not a genesis (2), another hash (10)."""
    if not settings.genesis:
        raise usage_error(
            "No genesis file is pinned; verification needs one that did not come from whoever is verified.",
            code="not_pinned",
            remedy=f"Give --genesis FILE. {_HOW}",
        )
    from ledger.limits import GENESIS_BYTES_MAX

    return check_genesis(
        read_bounded(str(Path(settings.genesis).expanduser()), GENESIS_BYTES_MAX),
        settings.genesis_hash,
        what=settings.genesis,
    )


def has_pinned_genesis(settings: Settings) -> bool:
    """Whether what a node answers can be verified."""
    return bool(settings.genesis)


def check_genesis(document: bytes, expected_hash: str, *, what: str) -> Genesis:
    """The genesis in `document`, which must have the hash `expected_hash` unless that is empty.

    Raises `WalletError` (10) when the hash differs, (2) when the document is not a genesis. `what` names its source.
    """
    from ledger.errors import LedgerError
    from ledger.genesis import parse_genesis

    expected = parse_genesis_hash(expected_hash) if expected_hash else None
    try:
        genesis = parse_genesis(document)
    except LedgerError as error:
        raise WalletError(
            usage_error("").exit_code if expected is None else verification_error("").exit_code,
            "genesis_malformed",
            f"{what} is not a genesis document: {error}",
            remedy="Get the file again from the operators.",
        ) from None
    if expected is not None and genesis.chain != expected:
        raise verification_error(
            f"The genesis of {what} has the hash {genesis.chain.hex()}, not the expected {expected.hex()}.",
            code="genesis_differs",
            remedy="It is another chain, or a forgery. Compare the hash with the operators over another channel.",
        )
    return genesis


def parse_genesis_hash(text: str) -> Digest:
    """A genesis hash as people type it. Raises `WalletError` (2)."""
    from ledger.errors import MalformedError
    from ledger.primitives import parse_digest

    try:
        return parse_digest(text.strip().lower(), "a genesis hash")
    except MalformedError as error:
        raise usage_error(f"{error}.", remedy="Copy it whole from what the operators published.") from None
