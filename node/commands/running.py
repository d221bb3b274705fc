"""Running nodes: `start`, `status`, `config check`, `devnet`."""

from __future__ import annotations

import signal
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import click

from ledger.parameters import Parameters
from ledger.validators import Quorum
from node.commands.options import (
    EXIT_UNREACHABLE,
    QuorumType,
    expected_failures,
    fail,
    home_option,
    load_config,
)

_STATUS_SECONDS_MAX = 10
_STATUS_BYTES_MAX = 4 * 1024 * 1024


@click.command()
@home_option
def start(home: Path) -> None:
    """Run the node in the foreground until SIGTERM or Ctrl-C.

    \b
    Example:
      quorum-node start --home acme-1

    It must have adopted a genesis document (quorum-node genesis adopt). One line per event goes to stderr.
    """
    from node.app import run

    with expected_failures():
        sys.exit(run(load_config(home)))


@click.command()
@home_option
@click.option("--url", help="Ask the API at this URL instead of the node in --home.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def status(home: Path, url: str | None, output: str) -> None:
    """Say where a running node is, what it waits for, and what one more failure would do."""
    from node.commands.status_text import describe

    with expected_failures():
        if url is None:
            config = load_config(home)
            scheme = "http" if config.api_tls_certificate_path is None else "https"
            url = f"{scheme}://{config.api_listen}"
        if not url.startswith(("http://", "https://")):
            fail(f"{url!r} is not an http or https URL", 2)
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/v1/status", timeout=_STATUS_SECONDS_MAX) as answer:  # noqa: S310
                body: bytes = answer.read(_STATUS_BYTES_MAX)
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            fail(f"no answer from {url}: {reason}. Is the node running (quorum-node start)?", EXIT_UNREACHABLE)
        click.echo(body.decode() if output == "json" else describe(body))


@click.group()
def config() -> None:
    """Look after the configuration file."""


@config.command("check")
@home_option
def check(home: Path) -> None:
    """Read the configuration, the keys and the genesis document as `start` would, and say what is found."""
    from ledger.genesis import parse_genesis
    from node.home import data_paths
    from node.identity import load_passphrase, load_signing_key

    with expected_failures():
        loaded = load_config(home)
        path = loaded.key_passphrase_path
        passphrase = None if path is None else load_passphrase(path)
        for name, key_path in (
            ("node key", loaded.node_key_path),
            ("consensus key", loaded.consensus_key_path),
            ("cosigning key", loaded.cosigning_key_path),
        ):
            if key_path is not None:
                click.echo(f"{name:<14} {load_signing_key(key_path, passphrase=passphrase).public_key.hex()}")
        click.echo(f"{'peers':<14} listen on {loaded.peer_listen}, {len(loaded.pinned_peers)} pinned")
        click.echo(f"{'API':<14} listens on {loaded.api_listen}")
        if not loaded.genesis_path.exists():
            click.echo(f"{'genesis':<14} none yet: adopt one with quorum-node genesis adopt")
            return
        genesis = parse_genesis(loaded.genesis_path.read_bytes())
        click.echo(f"{'chain':<14} {genesis.chain.hex()} ({genesis.network})")
        there = data_paths(loaded).database.exists()
        click.echo(f"{'vote state':<14} {'present' if there else 'MISSING: the node would observe and not vote'}")


@click.command()
@click.option("--home", type=click.Path(file_okay=False, path_type=Path), default=Path("devnet"), show_default=True)
@click.option("--validators", type=click.IntRange(1, 100), default=4, show_default=True)
@click.option(
    "--quorum", type=QuorumType(), help="How many must sign.  [default: bft from 4 validators, else majority]"
)
@click.option("--base-port", type=click.IntRange(1024, 65_000), default=8470, show_default=True)
@click.option("--only-files", is_flag=True, help="Make the files and start nothing.")
def devnet(home: Path, validators: int, quorum: Quorum | None, base_port: int, only_files: bool) -> None:
    """Make a network of validators on this machine and run it until Ctrl-C.

    Validator i has its API on base port + 2i and its peer listener on base port + 2i + 1. A second run goes on with
    the chain that is there.
    """
    from node.devnet import Layout, Processes, found

    layout = Layout(home.resolve(), validators, base_port)
    with expected_failures():
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
                click.echo(
                    f"v{index} ready: API http://{layout.api(index)}, log {layout.validator_home(index)}/node.log"
                )
            click.echo("running; Ctrl-C stops all")
            while not asked_to_stop.wait(0.5):
                for index, code in processes.ended().items():
                    click.echo(f"v{index} ended with code {code}", err=True)
        click.echo("stopped")
