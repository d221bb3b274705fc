"""State proofs in words: what the state of a block held under a key, or that it held nothing. Judged by `ledger`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ledger.names import NAME_PATTERN
from wallet.moments import rfc3339
from wallet.receipts import judged

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.state_proof import VerifiedState
    from wallet.pinning import Pin
    from wallet.session import Session

_NAME, _NUMBER, _HASH = NAME_PATTERN, "[0-9]{20}", "[0-9a-f]{64}"
_KINDS: dict[str, tuple[str, tuple[str, ...]]] = {
    "account": ("the account {}", (_NAME,)),
    "administrators": ("the administrators", ()),
    "candidate": ("the candidate {} for the validator set", (_NAME,)),
    "governance": ("which proposals are open, and which are decided and not in force yet", ()),
    "proposal": ("proposal {}", (_NUMBER,)),
    "stream": ("the stream {}", (_NAME,)),
    "evidence": ("evidence against the validator {} about height {}", (_NAME, _NUMBER)),
    "latest": ("the newest record in {} of the entity key with the hash {}", (_NAME, _HASH)),
    "asset": ("the asset {}", (_NAME,)),
    "balance": ("what {} holds of {}", (_NAME, _NAME)),
    "leaders": ("who led failed rounds of late", ()),
    "parameters": ("the parameters in force", ()),
    "validators": ("the validator set in force after it", ()),
    "validator-key": ("whose validator key {} is or was", (_HASH,)),
}
"""What keys of each kind are about, and how their parts are written: of `proposal/7` there is never a row."""


def key_sentence(key: str) -> str:
    """What a state key is about. A number in a key has leading zeros, so that keys sort as numbers do."""
    kind, *parts = key.split("/")
    form, patterns = _KINDS.get(kind, ("", ()))
    if not form or len(parts) != len(patterns) or not all(map(re.fullmatch, patterns, parts)):
        return "a key that no rule of this software writes"
    words = (str(int(part)) if pattern == _NUMBER else part for pattern, part in zip(patterns, parts, strict=True))
    return form.format(*words)


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
