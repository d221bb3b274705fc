"""`quorum-wallet stream` and `quorum-wallet record`: what the ledger is for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import click

from wallet.commands.account import path_part
from wallet.exit_codes import usage_error
from wallet.files import read_bounded
from wallet.options import Group, confirm, pass_session
from wallet.reading import limit_option, list_options, show_list, show_one
from wallet.sending import Sending, send, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session

_CHUNK_BYTES = 1 << 20


@click.group("stream", cls=Group, short_help="Create streams, change and freeze them, look at them.")
def stream_group() -> None:
    """Create streams, change and freeze them, look at them. A stream is a numbered sequence of records."""


@stream_group.command("create", short_help="Create a stream.")
@click.argument("name")
@click.option("--writer", "writers", multiple=True, metavar="NAME", help="An account that may append; repeat it.")
@sending_options
@pass_session
def create(session: Session, name: str, writers: tuple[str, ...], sending: Sending) -> int:
    """Create the stream NAME. Without --writer only its creator may append.

    \b
    Example:  quorum-wallet stream create invoices --writer acme --writer bob.acme

    Next: quorum-wallet record append invoices --json '{"amount":"12.00"}'
    """
    operation: dict[str, Json] = {"type": "stream.create", "name": name}
    if writers:
        operation["writers"] = [*sorted(set(writers))]
    return send(session, sending, [operation])


@stream_group.command("set-writers", short_help="Replace the writers of your stream.")
@click.argument("stream")
@click.option(
    "--writer",
    "writers",
    multiple=True,
    required=True,
    metavar="NAME",
    help="An account that may append from now on; name every one that shall stay, too.",
)
@sending_options
@pass_session
def set_writers(session: Session, stream: str, writers: tuple[str, ...], sending: Sending) -> int:
    """Replace all writers of STREAM (its owner only). Who is not named may append no more.

    \b
    Example:  quorum-wallet stream set-writers invoices --writer acme --writer carol.acme

    Next: quorum-wallet stream show invoices
    """
    operation: dict[str, Json] = {"type": "stream.writers", "stream": stream, "writers": [*sorted(set(writers))]}
    return send(session, sending, [operation])


@stream_group.command("freeze", short_help="Close your stream for good.")
@click.argument("stream")
@sending_options
@pass_session
def freeze(session: Session, stream: str, sending: Sending) -> int:
    """Close STREAM for good (its owner only): it takes no more records, and nothing undoes it. Asks first.

    \b
    Example:  quorum-wallet stream freeze invoices-2025 --receipt closed.json

    Next: quorum-wallet stream show invoices-2025 says how many records it has for ever.
    """
    if sending.out is None:
        confirm(session, f"Freeze the stream {stream} for good? It will never take a record again.")
    return send(session, sending, [{"type": "stream.freeze", "stream": stream}])


@stream_group.command("list", short_help="All streams.")
@limit_option
@pass_session
def list_streams(session: Session, limit: int) -> int:
    """List all streams by name.

    \b
    Example:  quorum-wallet stream list

    Next: quorum-wallet record list invoices
    """
    return show_list(
        session,
        "/v1/streams",
        ("name", "owner", "writers", "count", "frozen"),
        limit=limit,
        query={},
        empty="No streams.",
    )


@stream_group.command("show", short_help="Owner, writers and length of a stream.")
@click.argument("name")
@pass_session
def show(session: Session, name: str) -> int:
    """Show the owner, the writers and the number of records of a stream, as a node states them.

    \b
    Example:  quorum-wallet stream show invoices
    """
    return show_one(session, f"/v1/streams/{path_part(name)}", {})


@click.group("record", cls=Group, short_help="Append records and read them.")
def record_group() -> None:
    """Append records to streams, and read them."""


@record_group.command("append", short_help="Append a record to a stream.")
@click.argument("stream")
@click.option("--json", "json_text", metavar="JSON", help="The content, as JSON.")
@click.option("--file", metavar="FILE", help="The content: a file of JSON (- is stdin).")
@click.option("--digest-of", metavar="FILE", help="Record only the SHA-256 of FILE; its content stays with you.")
@click.option("--key", metavar="TEXT", help="What the record is about: an entity key.")
@click.option(
    "--expected-revision",
    type=click.IntRange(min=0),
    help="Only if the key's newest record has this revision (0: none yet).",
)
@sending_options
@pass_session
def append(
    session: Session,
    *,
    stream: str,
    json_text: str | None,
    file: str | None,
    digest_of: str | None,
    key: str | None,
    expected_revision: int | None,
    sending: Sending,
) -> int:
    """Append a record to STREAM. The content is --json, --file, --digest-of, or JSON on stdin.

    \b
    Example:  quorum-wallet record append invoices --key INV-7 --json '{"amount":"12.00"}' --receipt inv-7.json
              quorum-wallet record append contracts --digest-of contract.pdf

    Next: quorum-wallet record list invoices --key INV-7
    """
    operation: dict[str, Json] = {"type": "record.append", "stream": stream, **_content(json_text, file, digest_of)}
    if key is not None:
        operation["key"] = key
    if expected_revision is not None:
        operation["expected_revision"] = expected_revision
    return send(session, sending, [operation])


@record_group.command("list", short_help="Read the records of a stream.")
@click.argument("stream")
@click.option("--key", metavar="TEXT", help="Only records about this entity key.")
@list_options
@pass_session
def list_records(session: Session, stream: str, key: str | None, limit: int, order: str) -> int:
    """Read the records of STREAM. Content is somebody else's text: control characters are shown escaped.

    \b
    Example:  quorum-wallet record list invoices --key INV-7 --output jsonl

    Next: quorum-wallet receipt get TRANSACTION_ID proves a record.
    """
    return show_list(
        session,
        f"/v1/streams/{path_part(stream)}/records",
        ("revision", "key", "content", "by", "time", "transaction_id"),
        limit=limit,
        query={"key": key, "order": order},
        empty="No records.",
        row=_with_digest,
    )


def _with_digest(item: dict[str, Json]) -> dict[str, Json]:
    """A record whose content stayed elsewhere shows its digest in the column of the content."""
    if "content" in item or "content_digest" not in item:
        return item
    return {**item, "content": f"sha256 {item['content_digest']}"}


def _content(json_text: str | None, file: str | None, digest_of: str | None) -> dict[str, Json]:
    """The content fields of a record. Raises `WalletError` (2) for two sources, and for what is not JSON."""
    import orjson

    from ledger.limits import RECORD_CONTENT_BYTES_MAX

    if sum(source is not None for source in (json_text, file, digest_of)) > 1:
        raise usage_error("Give one of --json, --file and --digest-of.")
    if digest_of is not None:
        return {"content_digest": _sha256_of(digest_of)}
    # White space does not count for the limit, so more is read; the ledger's rule is checked when the body is built.
    if json_text is not None:
        text = json_text.encode("utf-8", "surrogateescape")
    else:
        text = read_bounded(file or "-", 4 * RECORD_CONTENT_BYTES_MAX)
    try:
        return {"content": orjson.loads(text)}
    except orjson.JSONDecodeError as error:
        raise usage_error(
            f"The content is not JSON: {error}.",
            remedy="""A text is written with quotes: --json '"hello"'. For other files: --digest-of FILE""",
        ) from None


def _sha256_of(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
