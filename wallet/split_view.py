"""Split views in words: two certified blocks of one height, which a file proves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wallet.moments import rfc3339

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.pinning import Pin
    from wallet.session import Session


def verify_split_view_file(session: Session, data: bytes, pin: Pin) -> None:
    """Verify the split view `data` against what is pinned, and say what it proves. Raises `WalletError` (10)."""
    from ledger.split_view import SPLIT_VIEW_KIND, verify_split_view
    from wallet.receipts import judged

    split = judged(lambda: verify_split_view(data, pin.anchor), "The split view")
    first, second = split.first, split.second
    signed_both: list[Json] = [*split.accused]
    fields: dict[str, Json] = {
        "verified": True,
        "kind": SPLIT_VIEW_KIND,
        "chain": split.chain.hex(),
        "height": first.header.height,
        "first": first.block_hash.hex(),
        "second": second.block_hash.hex(),
        "signed_both": signed_both,
    }
    lines = [
        ("verified", f"yes, against {pin.sentence}"),
        ("height", str(first.header.height)),
        ("one block", f"{first.block_hash.hex()}, of {rfc3339(first.header.time_ms)}"),
        ("another", f"{second.block_hash.hex()}, of {rfc3339(second.header.time_ms)}"),
        ("signed both", ", ".join(split.accused) or "nobody can be named: another set signed each"),
        ("so", "there are two chains; which is the right one is for people to decide"),
    ]
    session.output.record(fields, lines)
