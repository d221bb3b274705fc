"""`quorum-wallet validator`: who is in the set, who is ready to join, and saying that one's own node is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, usage_error
from wallet.files import read_bounded
from wallet.options import Group, pass_session
from wallet.reading import limit_option, show_list
from wallet.sending import Sending, send, sender_of, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.client import Client
    from wallet.session import Session


@click.group("validator", cls=Group, short_help="The validator set, and who is ready to join it.")
def validator_group() -> None:
    """The validator set, who is ready to join it, and saying that your own node is.

    A joiner's node makes a ready statement (quorum-node ready), its operator submits it here, and then it is proposed:
    quorum-wallet proposal create add-validator NAME.
    """


@validator_group.command("list", short_help="The validators, the quorum, and what they survive.")
@click.option("--height", type=click.IntRange(min=0), help="As it was after the block of this height.")
@pass_session
def list_validators(session: Session, height: int | None) -> int:
    """List the validators in force, and say what their quorum survives, as a node states it.

    \b
    Example:  quorum-wallet validator list --height 100
    """
    from wallet.answers import as_object
    from wallet.submission import ask

    async def work(client: Client) -> dict[str, Json]:
        return await client.get("/v1/validators", lambda value: as_object(value, "a validator set"), {"height": height})

    answer = ask(session, work)
    if session.output.structured:
        session.output.record(answer)
        return ExitCode.OK
    session.output.paragraph([f"After block {answer.get('height')}: {answer.get('sentence')}."])
    listed = answer.get("validators")
    rows: list[Mapping[str, Json]] = (
        [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []
    )
    session.output.items(rows, ("name", "operator", "address", "last_signed_height"), empty="No validators.")
    pending = answer.get("pending_set_change")
    if isinstance(pending, dict):
        impact = pending.get("impact")
        sentence = impact.get("sentence") if isinstance(impact, dict) else ""
        coming = f"From height {pending.get('activation_height')} on, by proposal {pending.get('proposal')}: {sentence}"
        session.output.paragraph([coming])
    return ExitCode.OK


@validator_group.command("candidates", short_help="Who is ready to be a validator.")
@limit_option
@pass_session
def candidates(session: Session, limit: int) -> int:
    """List who has said that it is ready: joiners, and validators with new keys.

    \b
    Example:  quorum-wallet validator candidates

    Next: quorum-wallet proposal create add-validator NAME, or rekey-validator NAME
    """
    return show_list(
        session,
        "/v1/candidates",
        ("name", "operator", "address", "digest", "recorded_height"),
        limit=limit,
        query={},
        empty="Nobody has said that it is ready.",
        row=_candidate_row,
    )


@validator_group.command("ready", short_help="Submit the ready statement of your node.")
@click.argument("file")
@sending_options
@pass_session
def ready(session: Session, file: str, sending: Sending) -> int:
    """Record the ready statement in FILE, made by quorum-node ready, as the account that will operate the validator.

    \b
    Example:  quorum-wallet validator ready ready.json --account dock

    The account needs the role operator. Next: quorum-wallet proposal create add-validator NAME
    """
    from ledger.governance.readiness import parse_ready_statement
    from ledger.limits import ENVELOPE_BYTES_MAX

    statement = parse_ready_statement(read_bounded(file, ENVELOPE_BYTES_MAX).rstrip(b"\r\n"))
    entry = statement.entry
    if statement.chain != session.chain():
        raise usage_error(
            f"The statement is for the chain {statement.chain.hex()}, not for the pinned {session.chain().hex()}.",
            code="chain_wrong",
            remedy="Choose that network's --profile, or make the statement with the node of this network.",
        )
    by = sending.by or sender_of(session, sending.account)
    if by != entry.operator:
        raise usage_error(
            f"{entry.name} will be operated by {entry.operator}, which alone says that it is ready, not {by}.",
            code="operator_wrong",
            remedy=f"Give --account {entry.operator} and its key.",
        )
    keys = ", ".join(f"{purpose} key {key.hex()}" for purpose, key in entry.keys)
    session.output.hint(f"{entry.name} at {entry.address} is ready at height {statement.height}: {keys}")
    operation: dict[str, Json] = {
        "type": "validator.ready",
        "entry": entry.to_json(),
        "height": statement.height,
        "proofs": statement.proofs.to_json(),
    }
    code = send(session, sending, [operation])
    if code == ExitCode.OK and sending.out is None:
        session.output.hint(f"Next: quorum-wallet proposal create add-validator {entry.name} (or rekey-validator)")
    return code


def _candidate_row(item: dict[str, Json]) -> dict[str, Json]:
    entry = item.get("entry")
    return {**item, **(entry if isinstance(entry, dict) else {})}
