"""`doctor`: what is wrong with a node, asked of itself if it runs, and judged from its home if it does not."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from ledger.errors import LedgerError, MalformedError
from node.api_tokens import load_access
from node.commands.asking import ask, chosen_target, not_a_ledger
from node.commands.failures import CommandError, ExitCode
from node.commands.findings_text import Diagnosis, FindingAnswer, describe_findings, parse_findings
from node.commands.options import api_options, echo_json, home_option, load_config, output_option
from node.config import Config, ConfigError
from node.doctor import Finding, FindingCode
from node.home import VoteState, vote_state
from node.identity import IdentityError, load_passphrase, load_seed
from node.preflight import check_certificate
from node.storage.durable import disk_is_low


@click.command()
@home_option
@api_options
@output_option
def doctor(
    *, home: Path, url: str | None, token_file: Path | None, ca: Path | None, timeout: float, output: str
) -> int:
    """Say what is wrong with a node or its network, and what to do about it.

    \b
    Example:
      quorum-node doctor --home acme-1
      quorum-node doctor --url https://ledger.acme.example:8470 --output json

    A node that does not answer is judged from its home. Exit code 0 when nothing is wrong (notices are no faults), 1
    otherwise. Next: what it says for each finding.
    """
    target = chosen_target(home, url, ca, token_file)
    try:
        body = ask(target, "/v1/doctor", timeout_seconds=timeout)
    except CommandError as error:
        if url is not None or error.code is not ExitCode.NODE_UNREACHABLE:
            raise
        diagnosis = _examine_home(load_config(home), str(error))
    else:
        try:
            diagnosis = parse_findings(body)
        except MalformedError:
            raise not_a_ledger(target, "its answer is no doctor's") from None
    if output == "json":
        echo_json(msgspec.json.format(msgspec.json.encode(diagnosis)))
    else:
        click.echo(describe_findings(diagnosis))
    return 0 if diagnosis.healthy else 1


def _examine_home(config: Config, why: str) -> Diagnosis:
    """What keeps a node from running, as far as its home shows."""
    found = [Finding(FindingCode.NODE_NOT_ANSWERING, f"this node does not answer: {why}")]
    try:
        passphrase = None if config.key_passphrase_path is None else load_passphrase(config.key_passphrase_path)
        for path in (config.node_key_path, config.cosigning_key_path):
            if path is not None:
                load_seed(path, passphrase=passphrase)
        check_certificate(config)
        load_access(config)
        state = vote_state(config)
    except (ConfigError, IdentityError, LedgerError, OSError) as error:
        found.append(Finding(FindingCode.NODE_UNFIT, f"it could not start: {error}"))
    else:
        if state is VoteState.LOST:
            found.append(
                Finding(FindingCode.VOTE_STATE_LOST, "its vote state is lost: it would follow the chain and never vote")
            )
        elif state in (VoteState.NOT_ADOPTED, VoteState.CUT_SHORT) or not config.genesis_path.exists():
            what = "it has not taken up a chain, or not whole: run quorum-node genesis adopt"
            found.append(Finding(FindingCode.NODE_UNFIT, what))
    directory = config.data_path if config.data_path.exists() else config.path.parent
    if disk_is_low(directory):
        found.append(Finding(FindingCode.STORAGE_LOW, f"the disk of {directory} is nearly full"))
    answers = [FindingAnswer(item.code, item.severity, item.sentence, item.remedy) for item in found]
    return Diagnosis(healthy=False, findings=answers)
