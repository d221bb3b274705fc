"""The composition root: the only place where a node's parts are named together, started and stopped.

    configuration, keys  ->  database, guard  ->  replica  ->  runtime, links, HTTP  ->  until a signal or a failure

Parts stop in the reverse order: HTTP first, so that nobody is promised anything any more, then the links, then the
runtime, then the database. If any part fails, all stop and the process ends with an error; a supervisor restarts it. If
damage on the disk was the reason, the database is made anew first, and all start again (`node.storage.rebuild`).
"""

from __future__ import annotations

import asyncio
import gc
import signal
import ssl
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from ledger import crypto
from ledger.crypto import SigningKey, Verify
from ledger.genesis import parse_genesis
from node.api_tokens import load_access
from node.config import Config, ConfigError
from node.home import alone_in, data_paths, open_home
from node.http.application import create_application
from node.http.server import HttpServer
from node.identity import load_passphrase, load_seed, load_signing_key
from node.inbox import Inbox
from node.log import EventLog, configure
from node.membership import Membership
from node.net.peers import Peers
from node.preflight import OPEN_FILES, allow_open_files
from node.replica import Replica
from node.runtime import HaltedError, Runtime, read_clocks
from node.storage.archive import Archive
from node.storage.chain_store import ChainStore
from node.storage.durable import disk_is_low
from node.storage.errors import DAMAGE
from node.storage.guard import FileGuard
from node.storage.queries import Queries
from node.storage.rebuild import CannotRebuildError, SetAside, set_aside, set_aside_path
from node.verification.ahead import AheadVerifier, default_workers
from node.verification.arriving import Arriving
from node.verification.status import NO_WORKERS

try:
    from uvloop import new_event_loop
except ImportError:  # it has no wheel for this machine; asyncio's own only takes more time
    from asyncio import new_event_loop  # type: ignore[assignment]

_LOG = EventLog("node")
GARBAGE_THRESHOLD = 100_000
"""Container objects that a node makes before it looks for garbage among them: some tens of megabytes at most."""


@dataclass(frozen=True, slots=True)
class _Keys:
    """A node's own keys; a follower has the node key only."""

    node_seed: bytes
    consensus: SigningKey | None
    cosigning: SigningKey | None


def run(config: Config) -> int:
    """Run the node until SIGTERM or SIGINT (0) or a failure (1). Blocks.

    Raises `ConfigError`, `HomeError`, `IdentityError`, `StorageError` or `OSError` when it cannot even start.
    """
    if not __debug__:
        raise ConfigError("assertions are off (python -O), and they guard the node's safety: run it without -O")
    configure(form=config.log_format, level=config.log_level)
    crypto.self_test()
    # What is loaded now stays; pending transactions are many small objects, which the defaults would walk too often.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    if (allowed := allow_open_files()) < OPEN_FILES:
        _LOG.warning("open_files_limited", allowed=allowed, needed=OPEN_FILES, remedy="raise the limit (ulimit -Hn)")
    with alone_in(config.path.parent):  # also while nobody has the database
        while True:
            try:
                with asyncio.Runner(loop_factory=new_event_loop) as runner:
                    code = runner.run(_run(config))
            except DAMAGE as error:
                reason = str(error)
            else:
                if code is not None:
                    return code
                reason = "it was met while the node ran"
            _make_database_anew(config, reason)


def _make_database_anew(config: Config, reason: str) -> None:
    """Set a damaged database aside, to begin again with its blocks and those of peers. Raises `CannotRebuildError`."""
    database = data_paths(config).database
    genesis = parse_genesis(config.genesis_path.read_bytes())
    if len(genesis.validators) == 1 and not config.pinned_peers:
        raise CannotRebuildError(f"the database is damaged, and nobody else has this chain: {reason}")
    set_aside(database, genesis, reason)
    _LOG.warning(
        "database_set_aside",
        reason=reason,
        path=str(set_aside_path(database)),
        remedy="blocks are taken from it and from peers, and it is removed in the end; look at the disk",
    )


async def _run(config: Config) -> int | None:
    """Run the node until it ends: the exit code, or None when its database must be made anew."""
    passphrase = None if config.key_passphrase_path is None else load_passphrase(config.key_passphrase_path)
    keys = _Keys(
        node_seed=load_seed(config.node_key_path, passphrase=passphrase),
        consensus=_load(config.consensus_key_path, passphrase),
        cosigning=_load(config.cosigning_key_path, passphrase),
    )
    store, chain = open_home(config)
    try:
        guard = FileGuard(data_paths(config).guard, None if keys.consensus is None else keys.consensus.public_key)
        ahead = _make_verifier(config)
        with closing(guard), closing(SetAside(data_paths(config).database)) as aside, ahead or nullcontext():
            if aside.unreadable is not None:
                _LOG.warning("set_aside_unreadable", reason=aside.unreadable, remedy="all blocks are taken from peers")
            return await _run_parts(config, chain=chain, guard=guard, keys=keys, aside=aside, ahead=ahead)
    finally:
        store.close()


def _load(path: Path | None, passphrase: bytes | None) -> SigningKey | None:
    return None if path is None else load_signing_key(path, passphrase=passphrase)


async def _run_parts(
    config: Config, *, chain: ChainStore, guard: FileGuard, keys: _Keys, aside: SetAside, ahead: AheadVerifier | None
) -> int | None:
    replica = _make_replica(chain, guard, keys, aside.archive, ahead or crypto.verify)
    inbox = Inbox() if ahead is None else Inbox(Arriving(ahead, chain, replica.height_asked_of))
    peers = Peers(seed=keys.node_seed, chain=chain.chain, listen=config.peer_listen, inbox=inbox, log=EventLog("peers"))
    membership = Membership(chain, config.pinned_peers)
    peers.set_members(membership.members)

    def follow() -> None:
        if aside.archive is not None and not replica.takes_from_archive:
            aside.remove()
        if membership.follow(replica.claimed_height):
            peers.set_members(membership.members)

    runtime = Runtime(
        replica=replica,
        inbox=inbox,
        sender=peers,
        queries=Queries(chain),
        appended=lambda _: follow(),
        watched=follow,
        disk_is_low=lambda: disk_is_low(config.data_path),
        log=EventLog("replica"),
        workers=ahead.status if ahead is not None else lambda: NO_WORKERS,
    )
    http = HttpServer(create_application(runtime, load_access(config)))
    stop = asyncio.Event()
    return_code: int | None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with asyncio.TaskGroup() as group:
            running = [group.create_task(runtime.run()), group.create_task(peers.run())]
            try:
                await peers.bound_port()
                await _serve(config, http, chain)
                await stop.wait()
                _LOG.info("stopping")
            finally:
                await http.close()
                for task in reversed(running):
                    task.cancel()
    except* (HaltedError, OSError) as group_of:  # or an address taken since it was checked, a network that went away
        (failure, *_) = group_of.exceptions
        _LOG.error("ended", reason=str(failure))
        return_code = None if isinstance(failure, HaltedError) and failure.rebuild else 1
    except* Exception as group_of:
        _LOG.error("ended", exception=group_of, reason="a part of the node failed")
        return_code = 1
    else:
        _LOG.info("ended", reason="asked to stop")
        return_code = 0
    return return_code


async def _serve(config: Config, http: HttpServer, chain: ChainStore) -> None:
    """Open the API, and say that the node is there."""
    host, port = await http.listen(config.api_listen.host, config.api_listen.port, tls=_api_context(config))
    _LOG.info(
        "started",
        chain=chain.chain.hex(),
        height=chain.tip.header.height,
        api=f"{host}:{port}",
        event_loop=type(asyncio.get_running_loop()).__module__.partition(".")[0],
    )


def _make_verifier(config: Config) -> AheadVerifier | None:
    """What verifies with the worker processes that the configuration asks for, or None when it wants none."""
    workers = default_workers() if config.verify_workers is None else config.verify_workers
    return AheadVerifier(workers, log=EventLog("verification")) if workers else None


def _make_replica(chain: ChainStore, guard: FileGuard, keys: _Keys, archive: Archive | None, verify: Verify) -> Replica:
    return Replica(
        chain=chain,
        guard=guard,
        consensus_key=keys.consensus,
        node_key=SigningKey(keys.node_seed),
        cosigning_key=keys.cosigning,
        verify=verify,
        now=read_clocks(),
        archive=archive,
    )


def _api_context(config: Config) -> ssl.SSLContext | None:
    """TLS of the HTTP API, when the configuration has a certificate. Raises `ConfigError`."""
    if config.api_tls_certificate_path is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(config.api_tls_certificate_path, config.api_tls_key_path)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"api.tls_certificate and api.tls_key cannot be used: {error}") from error
    return context
