"""`quorum-audit checkpoint`: a block to pin, proved by what a node shows, or read from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, usage_error
from wallet.files import PUBLIC, create_file
from wallet.moments import rfc3339
from wallet.options import Command, pass_session
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.pinned_checkpoint import PinnedCheckpoint
    from wallet.client import Client
    from wallet.pinning import Pin
    from wallet.session import Session

_GROUP = 8


@click.command("checkpoint", cls=Command, short_help="Make a checkpoint to pin, or show one.")
@click.argument("source", metavar="URL-OR-FILE")
@click.option("--height", type=click.IntRange(min=1), metavar="HEIGHT", help="The block to pin (default: the newest).")
@click.option("--out", metavar="FILE", help="Where to write it (default: CHECKPOINT-HEIGHT.json).")
@pass_session
def checkpoint(session: Session, source: str, height: int | None, out: str | None) -> int:
    """Follow the chain from what is pinned to a block, by what the node at URL sends; write a file that pins the block.

    \b
    Example:  quorum-audit checkpoint http://127.0.0.1:8301 --genesis genesis.json --out january.json
              quorum-audit checkpoint http://127.0.0.1:8301 --checkpoint january.json --height 90000 --out june.json
              quorum-audit checkpoint june.json

    Nothing that the node says is believed: each change of the validator set is certified by the set before it, and the
    block by the set in force. Everybody's file of a height is the same: compare its digest with somebody who made one.
    Of a FILE, its content is shown; that proves nothing by itself.

    Next: give it to verify, receipt get and receipt verify as --checkpoint FILE, or pin it in a profile:
    quorum-wallet config set checkpoint FILE
    """
    from wallet.pinning import pinned, read_checkpoint
    from wallet.submission import ask

    if "://" not in source:
        if height is not None or out is not None:
            raise usage_error("--height and --out are for a checkpoint that is made from a node.")
        _show(session, read_checkpoint(source), None, None)
        return ExitCode.OK
    pin = pinned(session.settings)
    if height is not None and height <= pin.anchor.height:
        raise usage_error(
            f"Height {height} is not above what is pinned, which is at height {pin.anchor.height}.",
            remedy="Give a later height, or an earlier checkpoint, or --genesis FILE.",
        )
    made = ask(session, lambda client: _make(client, pin, height), nodes=(node_url(source),))
    path = Path(out if out is not None else f"checkpoint-{made.header.height}.json")
    create_file(path, made.document, mode=PUBLIC)
    _show(session, made, pin, path)
    session.output.hint(f"Compare the digest with somebody who made one of height {made.header.height}.")
    return ExitCode.OK


async def _make(client: Client, pin: Pin, height: int | None) -> PinnedCheckpoint:
    """The checkpoint of a block, the newest by default, proved from what is pinned. Raises `WalletError`."""
    from ledger.pinned_checkpoint import build_pinned_checkpoint
    from wallet.auditing.following import follow, validators_after

    to_height = (await client.head()).height if height is None else height
    if to_height <= pin.anchor.height:
        raise usage_error(
            f"The node has no block above height {pin.anchor.height}, which is pinned.",
            code="nothing_newer",
            remedy="Ask again later, or another node.",
        )
    light = await follow(client, pin.anchor, to_height)
    assert light.head is not None, "it followed to a block"
    validators = await validators_after(client, light)
    return build_pinned_checkpoint(network=pin.network, header=light.head.header, validators=validators)


def _show(session: Session, made: PinnedCheckpoint, pin: Pin | None, path: Path | None) -> None:
    from ledger.pinned_checkpoint import CHECKPOINT_KIND

    header, validators, digest = made.header, made.validators, made.digest.hex()
    fields: dict[str, Json] = {
        "verified": pin is not None,
        "kind": CHECKPOINT_KIND,
        "network": made.network,
        "chain": header.chain.hex(),
        "height": header.height,
        "block_hash": made.block_hash.hex(),
        "time_ms": header.time_ms,
        "time": rfc3339(header.time_ms),
        "transactions": header.log_size,
        "validators": [item.name for item in validators.validators],
        "quorum": validators.quorum,
        "digest": digest,
    }
    stated = "no, that is what the file says: trust it only if its digest is one that you compared"
    lines = [
        ("verified", stated if pin is None else f"yes, against {pin.sentence}"),
        ("network", f"{made.network}, {header.chain.hex()}"),
        ("block", f"{header.height} ({made.block_hash.hex()})"),
        ("ledger time", rfc3339(header.time_ms)),
        ("transactions", str(header.log_size)),
        ("signs next", f"{', '.join(item.name for item in validators.validators)} (quorum {validators.quorum})"),
        ("digest", " ".join(digest[at : at + _GROUP] for at in range(0, len(digest), _GROUP))),
    ]
    if path is not None:
        fields["path"] = str(path)
        lines.append(("file", str(path)))
    session.output.record(fields, lines)
