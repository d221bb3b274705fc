"""State proofs in words: what the state of a block held under a key, or that it held nothing. Judged by `ledger`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallet.moments import rfc3339
from wallet.receipts import judged

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.state_proof import VerifiedState
    from wallet.pinning import Pin
    from wallet.session import Session

_KINDS = {
    "account": "the account {}",
    "administrators": "the administrators",
    "candidate": "the candidate {} for the validator set",
    "governance": "which proposals are open, and which are decided and not in force yet",
    "proposal": "proposal {}",
    "stream": "the stream {}",
    "evidence": "evidence against the validator {} about height {}",
    "latest": "the newest record in {} of the entity key with the hash {}",
    "asset": "the asset {}",
    "balance": "what {} holds of {}",
    "leaders": "who led failed rounds of late",
    "parameters": "the parameters in force",
    "validators": "the validator set in force after it",
    "validator-key": "whose validator key {} is or was",
}


def key_sentence(key: str) -> str:
    """What a state key is about. A number in a key has leading zeros, so that keys sort as numbers do."""
    kind, *parts = key.split("/")
    form = _KINDS.get(kind)
    if form is None or form.count("{}") != len(parts):
        return "a key that no rule of this software writes"
    return form.format(*(str(int(part)) if part.isdigit() and len(part) == 20 else part for part in parts))


def verify_state_proof_file(session: Session, data: bytes, pin: Pin) -> None:
    """Verify the state proof `data` against what is pinned, and say what it proves. Raises `WalletError` (10)."""
    from ledger.state_proof import verify_state_proof

    _show(session, judged(lambda: verify_state_proof(data, pin.anchor), "The state proof"), pin)


def _show(session: Session, verified: VerifiedState, pin: Pin) -> None:
    from ledger.encoding import decode
    from ledger.state_proof import STATE_PROOF_KIND

    header, key = verified.header, verified.key.decode("ascii")
    value = None if verified.value is None else decode(verified.value, bytes_max=len(verified.value))
    fields: dict[str, Json] = {
        "verified": True,
        "kind": STATE_PROOF_KIND,
        "chain": header.chain.hex(),
        "anchor_height": pin.anchor.height,
        "key": key,
        "value": value,
        "height": header.height,
        "block_hash": verified.block_hash.hex(),
        "time_ms": header.time_ms,
        "time": rfc3339(header.time_ms),
        "signers": [*verified.signers],
        "validators": len(verified.validators),
        "quorum": verified.validators.quorum,
    }
    lines = [
        ("verified", f"yes, against {pin.sentence}"),
        ("state key", key),
        ("which is", key_sentence(key)),
        ("after block", f"{header.height} ({verified.block_hash.hex()})"),
        ("ledger time", rfc3339(header.time_ms)),
        ("signed by", f"{', '.join(verified.signers)} (quorum {verified.validators.quorum})"),
        ("the state had", "nothing: there was no such row" if verified.value is None else verified.value.decode()),
    ]
    session.output.record(fields, lines)
