"""C2SP files of the transparency log: a `.tlog-proof`, and a checkpoint note, held against what is pinned.

Their signatures are cosignatures, made with other keys than certificates (`ledger.log`). Whose count is said by a
policy: of the validator set that is pinned, a quorum; or by a policy file, which its holder trusts as well. Either
way the log must be that of the pinned chain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from wallet.exit_codes import verification_error
from wallet.files import read_bounded
from wallet.moments import rfc3339
from wallet.receipts import judged

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.log.policy import CosignedCheckpoint, Policy
    from wallet.pinning import Pin
    from wallet.session import Session

T = TypeVar("T")

PROOF_KIND = "c2sp.org/tlog-proof@v1"
CHECKPOINT_KIND = "c2sp.org/tlog-checkpoint"
_ORIGIN = b"quorum-ledger/"


@dataclass(frozen=True, slots=True)
class Found:
    """What one of the files shows besides its checkpoint: for machines, and for people."""

    fields: dict[str, Json]
    lines: tuple[tuple[str, str], ...]


def is_log_file(data: bytes) -> bool:
    """Whether `data` looks like one of the two: they are text, and everything else that is verified is JSON."""
    return data.startswith((PROOF_KIND.encode() + b"\n", _ORIGIN))


def verify_log_file(session: Session, data: bytes, pin: Pin, policy_path: str | None) -> None:
    """Verify either file, and say what it proves. Raises `WalletError`: 10, or 2 for a policy that is none."""
    from ledger.log.policy import verify_checkpoint
    from ledger.log.proof import verify_log_proof
    from ledger.log.signed_note import parse_note

    policy = _policy(pin, policy_path)
    if data.startswith(_ORIGIN):
        cosigned = _held(lambda: verify_checkpoint(parse_note(data), policy), "The checkpoint", policy_path)
        found = Found({"verified": True, "kind": CHECKPOINT_KIND}, ())
    else:
        proved = _held(lambda: verify_log_proof(data, policy=policy), "The proof", policy_path)
        cosigned, leaf = proved.cosigned, proved.leaf
        found = Found(
            {"verified": True, "kind": PROOF_KIND, "position": proved.index, **leaf.to_json()},
            (
                ("transaction", leaf.transaction_id.hex()),
                ("result", leaf.result),
                ("block", f"{leaf.height}, transaction {leaf.index}"),
                ("position", f"{proved.index} in the log"),
            ),
        )
    judged(lambda: _check_log(cosigned, pin), "The checkpoint")
    _show(session, cosigned, found, pin, policy_path)


def _policy(pin: Pin, path: str | None) -> Policy:
    """The policy to hold the file against."""
    from ledger.errors import MalformedError
    from ledger.limits import POLICY_BYTES_MAX
    from ledger.log.checkpoint import origin_of
    from ledger.log.policy import parse_policy, validators_policy
    from wallet.exit_codes import usage_error

    if path is None:
        return validators_policy(origin_of(pin.network, pin.anchor.chain), pin.anchor.validators)
    try:
        return parse_policy(read_bounded(path, POLICY_BYTES_MAX))
    except MalformedError as error:
        raise usage_error(f"{path} is no policy: {error}", code="policy_malformed") from None


def _held(check: Callable[[], T], what: str, policy_path: str | None) -> T:
    """What `check` proves. Raises `WalletError` (10)."""
    from ledger.errors import LedgerError

    try:
        return check()
    except LedgerError as error:
        changed = "If the validator set has changed since what is pinned: pin a newer checkpoint, or give the --policy."
        raise verification_error(
            f"{what} does not verify: {error}.",
            remedy=changed if policy_path is None else "Do not rely on it. Check that the policy is the right one.",
        ) from None


def _check_log(cosigned: CosignedCheckpoint, pin: Pin) -> None:
    """It is the log of the pinned chain, and where it is as long as the pinned one, the same. Raises
    `VerificationError`.
    """
    from ledger.errors import VerificationError
    from ledger.log.checkpoint import origin_of

    checkpoint, header = cosigned.checkpoint, pin.anchor.header
    origin = origin_of(pin.network, pin.anchor.chain)
    if checkpoint.origin != origin:
        raise VerificationError(f"it is of the log {checkpoint.origin!r}, and pinned is {origin!r}")
    if header is not None and checkpoint.size == header.log_size and checkpoint.root != header.log_root:
        raise VerificationError(f"it has another root over {checkpoint.size} transactions than the pinned block")


def _show(session: Session, cosigned: CosignedCheckpoint, found: Found, pin: Pin, policy_path: str | None) -> None:
    checkpoint = cosigned.checkpoint
    witnesses = [{"name": name, "time": rfc3339(time_s * 1_000)} for name, time_s in cosigned.witnesses]
    fields: dict[str, Json] = {
        **found.fields,
        "chain": pin.anchor.chain.hex(),
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "witnesses": [dict(item) for item in witnesses],
    }
    whose = "the validator set that is pinned" if policy_path is None else f"the policy {policy_path}"
    lines = [
        ("verified", f"yes, by {whose}, for {pin.sentence}"),
        *found.lines,
        ("log", f"{checkpoint.size} transactions, root {checkpoint.root.hex()}"),
        *(("cosigned by", f"{item['name']}, at {item['time']} of its clock") for item in witnesses),
    ]
    session.output.record(fields, lines)
