"""Reading commands: one thing, or a list page by page, printed as a node states it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode
from wallet.options import Decorated

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.client import Client
    from wallet.session import Session


def limit_option(command: Decorated) -> Decorated:
    """`--limit`: all that a list of names needs, which is in alphabetical order."""
    return click.option(
        "--limit", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many at most."
    )(command)


def list_options(command: Decorated) -> Decorated:
    """`--limit` and `--order`, of what has an age."""
    command = limit_option(command)
    return click.option(
        "--order",
        type=click.Choice(["desc", "asc"]),
        default="desc",
        show_default=True,
        help="Newest first, or oldest.",
    )(command)


def show_one(
    session: Session,
    path: str,
    query: Mapping[str, str | int | None],
    *,
    lines: Callable[[Mapping[str, Json]], list[tuple[str, str]]] | None = None,
) -> int:
    """Print the object at `path`; `lines` chooses what people see of it."""
    from wallet.answers import as_object
    from wallet.submission import ask

    async def work(client: Client) -> dict[str, Json]:
        return await client.get(path, lambda value: as_object(value, "the answer"), query)

    answer = ask(session, work)
    session.output.record(answer, lines(answer) if lines is not None else None)
    return ExitCode.OK


def show_list(
    session: Session,
    path: str,
    columns: tuple[str, ...],
    *,
    limit: int,
    query: Mapping[str, str | int | None],
    empty: str,
    row: Callable[[dict[str, Json]], dict[str, Json]] | None = None,
) -> int:
    """Print up to `limit` items of the list at `path`, following its cursors; `row` prepares items for text only.

    Warns when the node comes to no end of its search.
    """
    from wallet.client.listing import EndlessSearchError, listed
    from wallet.submission import ask

    async def work(client: Client) -> tuple[list[dict[str, Json]], bool]:
        items: list[dict[str, Json]] = []
        try:
            async for item in listed(client, path, query, limit=limit):
                items.append(item)
        except EndlessSearchError:
            return items, True
        return items, False

    items, given_up = ask(session, work)
    if given_up:
        session.output.warning("The node searches on and finds nothing more: there may be more than is shown.")
    shown = [row(item) for item in items] if row is not None and not session.output.structured else items
    session.output.items(shown, columns, empty=empty)
    return ExitCode.OK
