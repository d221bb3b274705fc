"""Which chain this is: what the user pinned, a genesis by file, by hash, or by both, or a checkpoint.

Nothing that a node says is verified against what the same node says. A genesis file is the trust anchor, its hash is
what people compare over another channel; when both are given they must agree (design section 5, "Receipt"). A
checkpoint is a later block in a file (`ledger.pinned_checkpoint`): its holder needs no genesis, and no key of an
earlier time fools them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wallet.exit_codes import WalletError, usage_error, verification_error
from wallet.files import read_bounded

if TYPE_CHECKING:
    from ledger.genesis import Genesis
    from ledger.pinned_checkpoint import PinnedCheckpoint
    from ledger.primitives import Digest
    from ledger.trail import Anchor
    from wallet.session import Settings

_HOW = "Pin it once: quorum-wallet genesis pin URL --hash HEX (the hash that the operators published)"


@dataclass(frozen=True, slots=True)
class Pin:
    """What everything is verified against; `sentence` says which it is."""

    anchor: Anchor
    network: str
    sentence: str


def pinned(settings: Settings) -> Pin:
    """What is pinned: the checkpoint, where there is one, else genesis.

    Raises `WalletError`: nothing is pinned, or a file is not one (2); genesis, hash and checkpoint differ (10).
    """
    if settings.checkpoint:
        return _pin_of_checkpoint(pinned_checkpoint(settings))
    from ledger.trail import anchor_of

    genesis = pinned_genesis(settings)
    return Pin(anchor_of(genesis), genesis.network, f"the genesis of '{genesis.network}', {genesis.chain.hex()}")


def pinned_chain(settings: Settings) -> Digest:
    """The pinned chain. Raises `WalletError`: nothing is pinned (2), or what is pinned is not of one chain (10)."""
    if settings.checkpoint:
        return pinned_checkpoint(settings).header.chain
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
            remedy=f"Give --genesis FILE, or --checkpoint FILE. {_HOW}",
        )
    from ledger.limits import GENESIS_BYTES_MAX

    return check_genesis(
        read_bounded(str(Path(settings.genesis).expanduser()), GENESIS_BYTES_MAX),
        settings.genesis_hash,
        what=settings.genesis,
    )


def has_pin(settings: Settings) -> bool:
    """Whether what a node answers can be verified."""
    return bool(settings.genesis or settings.checkpoint)


def read_checkpoint(path: str) -> PinnedCheckpoint:
    """The checkpoint in a file. Raises `WalletError` (2)."""
    from ledger.errors import MalformedError
    from ledger.limits import PINNED_CHECKPOINT_BYTES_MAX
    from ledger.pinned_checkpoint import parse_pinned_checkpoint

    try:
        return parse_pinned_checkpoint(read_bounded(str(Path(path).expanduser()), PINNED_CHECKPOINT_BYTES_MAX))
    except MalformedError as error:
        raise usage_error(
            f"{path} is not a checkpoint to pin: {error}",
            code="checkpoint_malformed",
            remedy="Make one: quorum-audit checkpoint URL --genesis FILE --out FILE",
        ) from None


def pinned_checkpoint(settings: Settings) -> PinnedCheckpoint:
    """The pinned checkpoint, where there is one: it is of the pinned genesis, if that is pinned, too.

    Raises `WalletError` (2, 10).
    """
    checkpoint = read_checkpoint(settings.checkpoint)
    expected = None
    if settings.genesis:
        expected = pinned_genesis(settings).chain
    elif settings.genesis_hash:
        expected = parse_genesis_hash(settings.genesis_hash)
    if expected is not None and checkpoint.header.chain != expected:
        raise verification_error(
            f"The checkpoint {settings.checkpoint} is of the chain {checkpoint.header.chain.hex()}, and pinned is the "
            f"genesis {expected.hex()}.",
            code="checkpoint_differs",
            remedy="One of them is of another chain, or a forgery. Compare both with somebody you trust.",
        )
    return checkpoint


def _pin_of_checkpoint(checkpoint: PinnedCheckpoint) -> Pin:
    from ledger.pinned_checkpoint import anchor_of_checkpoint

    height, digest = checkpoint.header.height, checkpoint.digest.hex()
    sentence = f"the checkpoint of '{checkpoint.network}' at height {height}, {digest}"
    return Pin(anchor_of_checkpoint(checkpoint), checkpoint.network, sentence)


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
