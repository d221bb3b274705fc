"""Running nodes: `start`, `status`, `devnet`."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

import click

from ledger.limits import VALIDATORS_MAX
from ledger.parameters import Parameters
from ledger.validators import Quorum
from node.commands.failures import CommandError, ExitCode
from node.commands.options import QuorumType, api_options, echo_json, home_option, load_config, output_option


@click.command()
@home_option
def start(home: Path) -> None:
    """Run the node in the foreground until SIGTERM or Ctrl-C.

    \b
    Example:
      quorum-node start --home acme-1

    It must have adopted a genesis document (quorum-node genesis adopt). One line per event goes to stderr.

    Next: quorum-node status, from another terminal.
    """
    from node.app import run
    from node.preflight import check_certificate, check_port

    config = load_config(home)
    check_certificate(config)
    check_port(config.peer_listen, "peers.listen")
    check_port(config.api_listen, "api.listen")
    sys.exit(run(config))


@click.command()
@home_option
@api_options
@output_option
def status(
    *, home: Path, url: str | None, token_file: Path | None, ca: Path | None, timeout: float, output: str
) -> None:
    """Say where a running node is, what it waits for, and what one more failure would do.

    \b
    Example:
      quorum-node status --home acme-1
      quorum-node status --url https://ledger.acme.example:8470 --ca acme.pem
      quorum-node status --output json | jq .head.height

    Next: quorum-node doctor, which says what is wrong and what to do.
    """
    from ledger.errors import MalformedError
    from node.commands.asking import ask, chosen_target, not_a_ledger
    from node.commands.status_text import describe

    target = chosen_target(home, url, ca, token_file)
    body = ask(target, "/v1/status", timeout_seconds=timeout)
    try:
        text = describe(body)
    except MalformedError:
        raise not_a_ledger(target, "its answer is no status of a node") from None
    if output == "json":
        echo_json(body)
    else:
        click.echo(text)


@click.command()
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("devnet"),
    show_default=True,
    help="Where its files go.",
)
@click.option(
    "--validators", type=click.IntRange(1, VALIDATORS_MAX), default=4, show_default=True, help="How many to run."
)
@click.option(
    "--quorum", type=QuorumType(), help="How many must sign.  [default: bft from 4 validators, else majority]"
)
@click.option(
    "--base-port",
    type=click.IntRange(1024, 65_000),
    default=8470,
    show_default=True,
    help="First of the two ports for each validator.",
)
@click.option("--only-files", is_flag=True, help="Make the files and start nothing.")
def devnet(home: Path, validators: int, quorum: Quorum | None, base_port: int, only_files: bool) -> None:
    """Make a network of validators on this machine and run it until Ctrl-C.

    \b
    Example:
      quorum-node devnet --home /tmp/seven --validators 7 --base-port 9000

    Validator i has its API on base port + 2i and its peer listener on base port + 2i + 1. A second run goes on with
    the chain that is there.

    Next: quorum-node status --home devnet/v0.
    """
    from node.devnet import Layout, Processes, found

    layout = Layout(home.resolve(), validators, base_port)
    genesis = found(layout, quorum, Parameters())
    click.echo(f"chain {genesis.chain.hex()}")
    click.echo(genesis.validators.tolerance.sentence())
    if only_files:
        return
    asked_to_stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with Processes(layout) as processes:
        processes.start()
        for index in range(validators):
            click.echo(f"v{index} ready: API http://{layout.api(index)}, log {layout.validator_home(index)}/node.log")
        click.echo("running; Ctrl-C stops all")
        while not asked_to_stop.wait(0.5):
            for index, code in processes.ended().items():
                click.echo(
                    f"v{index} ended with code {code}; its log: {layout.validator_home(index)}/node.log", err=True
                )
            if not processes.any_running():
                raise CommandError("every validator has ended; their logs say why", ExitCode.UNEXPECTED)
    click.echo("stopped")
