"""Who this node is linked to, and how that comes about.

`set_members` says which node keys may be linked and where they listen. For each one with an address a dialer works:
whenever there is no link, it dials, with exponential back-off and jitter. The other side does the same, so two links of
one pair may arise at once; both ends keep the one that the holder of the *lower key* dialed, and of two such the newer
(the older is a remnant of before a restart). A refused or closed duplicate is no fault of anyone.

A peer that sends what no correct node sends is closed and gets no link for `MISBEHAVIOUR_DELAY_MS`, whoever dials.
All of it is logged where it is decided, once, with the peer's key and address.

Frames go to the inbox as messages; what `node.wire` cannot decode never gets that far.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from ledger.consensus.inputs import PeerId
from ledger.crypto import SigningKey
from ledger.errors import MalformedError, VerificationError
from ledger.limits import (
    DIAL_FAULT_CHARACTERS_MAX,
    HANDSHAKE_TIMEOUT_MS,
    MISBEHAVIOUR_DELAY_MS,
    PEER_LINKS_MAX,
    RECONNECT_DELAY_MS_MAX,
)
from ledger.primitives import Digest, PublicKey
from node import wire
from node.config import Endpoint
from node.inbox import Inbox
from node.log import EventLog
from node.net import tls
from node.net.backoff import Backoff
from node.net.dialer import Dialer, explain
from node.net.handshake import (
    CloseCode,
    Hello,
    HelloRefusedError,
    Role,
    decode_hello,
    encode_hello,
    judge_hello,
)
from node.net.links import Channel, Link, LinkClosedError, LinkStatus
from node.net.listener import Arrival, Listener
from node.net.outbox import outgoing


@dataclass(frozen=True, slots=True)
class Member:
    """A node that may be linked: where it listens (None: it dials us), and whether it is a validator in force."""

    endpoint: Endpoint | None
    is_validator: bool


class Peers:
    """All links of one node. Made by the composition root, driven by the runtime, run once."""

    def __init__(self, *, seed: bytes, chain: Digest, listen: Endpoint, inbox: Inbox, log: EventLog) -> None:
        """`seed` is the node key. Nothing listens or dials before `run`. Made within a running event loop."""
        self._seed = seed
        self._key = SigningKey(seed).public_key
        self._chain = chain
        self._inbox = inbox
        self._log = log
        self._listen = listen
        self._members: dict[PublicKey, Member] = {}
        self._contexts = tls.build_contexts(seed, ())
        self._links: dict[PublicKey, Link] = {}
        self._unlinked: dict[PublicKey, asyncio.Event] = {}
        self._dialers: dict[PublicKey, asyncio.Task[None]] = {}
        self._banned_until: dict[PublicKey, float] = {}
        self._faults: dict[PublicKey, str] = {}  # why the last dial failed, of whom is not linked
        self._running: asyncio.TaskGroup | None = None
        self._dialer: Dialer | None = None
        self._bound: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    # ---- what the runtime asks for

    def set_members(self, members: Mapping[PublicKey, Member]) -> None:
        """Link exactly these nodes from now on: close other links, dial the new ones, trust their keys."""
        others = [(key, member) for key, member in members.items() if key != self._key]
        others.sort(key=lambda item: (not item[1].is_validator, item[0]))
        if len(others) > PEER_LINKS_MAX:
            self._log.warning("peers_beyond_limit", listed=len(others), linked=PEER_LINKS_MAX)
        former, self._members = self._members, dict(others[:PEER_LINKS_MAX])
        if former.keys() != self._members.keys():
            self._contexts = tls.build_contexts(self._seed, self._members.keys())
        for key in former.keys() | self._members.keys():
            before, after = former.get(key), self._members.get(key)
            if after is None:
                if (link := self._links.get(key)) is not None:
                    link.close(CloseCode.NOT_LISTED, "the node key is no longer listed")
                self._banned_until.pop(key, None)
                self._faults.pop(key, None)
            if before is None or after is None or before.endpoint != after.endpoint:
                self._redial(key)

    def send_to(self, peer: PeerId, message: wire.PeerMessage) -> None:
        """Send to one peer, if it is linked."""
        link = self._links.get(PublicKey(bytes.fromhex(peer)))
        if link is not None:
            link.send(outgoing(message))

    def send_to_all(self, message: wire.PeerMessage, *, validators_only: bool) -> None:
        """Send to every linked peer, or only to those in the validator set; encoded once."""
        if not self._links:
            return
        item = outgoing(message)
        for key, link in self._links.items():
            member = self._members.get(key)
            if member is not None and (member.is_validator or not validators_only):
                link.send(item)

    def misbehaved(self, peer: PeerId, reason: str) -> None:
        """Close the link of a peer that sent what no correct node sends, and let it wait."""
        key = PublicKey(bytes.fromhex(peer))
        self._ban(key, reason)
        link = self._links.get(key)
        if link is not None:
            link.close(CloseCode.MISBEHAVED, reason)

    def status(self) -> tuple[LinkStatus, ...]:
        """The counts of every link, by key."""
        return tuple(self._links[key].status() for key in sorted(self._links))

    def dial_faults(self) -> dict[PeerId, str]:
        """Why the last attempt to dial a member failed, of those that are not linked. Printable, and may be in the
        words of whatever answered."""
        return {PeerId(key.hex()): fault for key, fault in self._faults.items()}

    async def bound_port(self) -> int:
        """The port that peers reach us at, as soon as `run` listens."""
        return await asyncio.shield(self._bound)

    async def run(self) -> None:
        """Listen and dial until cancelled, then close every link. Raises `OSError` when the port cannot be bound."""
        listener = Listener(
            host=self._listen.host,
            port=self._listen.port,
            tls=lambda: self._contexts.server,
            serve=self._serve,
            log=self._log,
        )
        async with Dialer() as dialer:
            self._dialer = dialer
            try:
                async with asyncio.TaskGroup() as group:
                    self._running = group
                    group.create_task(listener.run(self._listening))
                    for key in self._members:
                        self._redial(key)
            finally:
                self._running = None
                self._dialer = None

    # ---- how a link comes about

    def _listening(self, port: int) -> None:
        self._log.info("peers_listening", address=str(Endpoint(self._listen.host, port)), key=self._key.hex())
        self._bound.set_result(port)

    def _redial(self, key: PublicKey) -> None:
        """Have a dialer for `key` as the membership of now wants it."""
        dialer = self._dialers.pop(key, None)
        if dialer is not None:
            dialer.cancel()
        member = self._members.get(key)
        if self._running is not None and member is not None and member.endpoint is not None:
            self._dialers[key] = self._running.create_task(self._keep_linked(key, member.endpoint))

    async def _keep_linked(self, key: PublicKey, endpoint: Endpoint) -> None:
        """Dial `key` whenever there is no link to it."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random)
        while True:
            started = loop.time()
            await self._until_unlinked(key)
            link = await self._dial(key, endpoint)
            if link is not None:
                await self._carry(link)
            # No attempt takes so long: there was a link, whoever dialed it, and it was not closed as soon as it began.
            if (loop.time() - started) * 1000 >= RECONNECT_DELAY_MS_MAX:
                backoff.reset()
            await asyncio.sleep(backoff.next_ms() / 1000)

    async def _until_unlinked(self, key: PublicKey) -> None:
        """Return when there is no link to `key` and it has waited for what it did."""
        while True:
            banned_seconds = self._banned_until.get(key, 0.0) - asyncio.get_running_loop().time()
            if key in self._links:
                await self._unlinked.setdefault(key, asyncio.Event()).wait()
            elif banned_seconds > 0:
                await asyncio.sleep(banned_seconds)
            else:
                return

    async def _dial(self, key: PublicKey, endpoint: Endpoint) -> Link | None:
        """One attempt at a link."""
        assert self._dialer is not None, "running"
        address = str(endpoint)
        channel: Channel | None = None
        try:
            async with asyncio.timeout(HANDSHAKE_TIMEOUT_MS / 1000):
                channel = await self._dialer.open(endpoint, self._contexts.client)
                await self._greet(channel, key)
            return Link(channel, peer=key, address=address, dialed=True)
        except (MalformedError, VerificationError, HelloRefusedError) as error:
            self._log.warning("peer_refused", peer=key.hex(), address=address, reason=str(error))
            fault = str(error)
            self._note_fault(key, f"refused, {fault}")
        except LinkClosedError as error:
            self._log.info("peer_refused_us", peer=key.hex(), address=address, reason=error.closing.reason)
            fault = "closed"
            self._note_fault(key, f"it refused, {error.closing.reason}")
        except Exception as error:
            # The address is what another validator wrote, and the bytes are whatever answers there: no exception that
            # a library raises about them may end this node.
            fault = explain(error)
            log = self._log.info if self._note_fault(key, fault) else self._log.debug
            log("peer_unreachable", peer=key.hex(), address=address, reason=fault)
        if channel is not None:
            await channel.close(CloseCode.REFUSED, fault)
        return None

    def _note_fault(self, key: PublicKey, fault: str) -> bool:
        """Keep why a dial failed, not all of what is long, and only what can be printed. Returns whether it is news."""
        kept = "".join(each if each.isprintable() else "?" for each in fault[:DIAL_FAULT_CHARACTERS_MAX])
        known = self._faults.get(key)
        if key not in self._links:  # else it dialed us meanwhile
            self._faults[key] = kept
        return kept != known

    async def _greet(self, channel: Channel, key: PublicKey) -> None:
        """The dialer's part: see that it is `key` that answered, say who we are, and hear the same."""
        identity = tls.identify(channel.certificate, self._members.keys())
        if identity != key:
            raise VerificationError(f"another node answers: {identity.hex()}")
        ours = Hello(Role.DIALER, self._chain, self._key)
        await channel.send(encode_hello(ours))
        judge_hello(decode_hello(await channel.receive()), ours=ours, identity=identity)

    async def _serve(self, arrival: Arrival) -> None:
        """The listener's part, up to the end of the link."""
        refuse = partial(self._refuse, arrival)
        try:
            key = tls.identify(arrival.channel.certificate, self._members.keys())
            ours = Hello(Role.LISTENER, self._chain, self._key)
            theirs = decode_hello(await arrival.channel.receive())
            judge_hello(theirs, ours=ours, identity=key)
        except VerificationError as error:
            return await refuse(CloseCode.NOT_LISTED, str(error))
        except MalformedError as error:
            return await refuse(CloseCode.MALFORMED, str(error))
        except HelloRefusedError as error:
            return await refuse(CloseCode.WRONG_NETWORK, str(error))
        except LinkClosedError as error:
            return await refuse(CloseCode.REFUSED, f"closed before its hello: {error}")
        if self._banned_until.get(key, 0.0) > asyncio.get_running_loop().time():
            return await refuse(CloseCode.NOT_NOW, "wait: the last link was closed for misbehaviour")
        link = Link(arrival.channel, peer=key, address=arrival.address, dialed=False)
        if not self._is_better(link):
            return await arrival.channel.close(CloseCode.DUPLICATE, "there is a link already")
        await arrival.channel.send(encode_hello(ours))
        arrival.admitted()
        await self._carry(link)
        return None

    async def _refuse(self, arrival: Arrival, code: CloseCode, reason: str) -> None:
        self._log.warning("peer_refused", address=arrival.address, reason=reason)
        await arrival.channel.close(code, reason)

    def _is_better(self, link: Link) -> bool:
        """Whether `link` is to be kept, given the one that there is (the tie-break of the module's docstring)."""
        current = self._links.get(link.peer)
        return current is None or self._by_lower_key(link) or not self._by_lower_key(current)

    def _by_lower_key(self, link: Link) -> bool:
        return link.dialed == (self._key < link.peer)

    # ---- what a link does while it lasts

    async def _carry(self, link: Link) -> None:
        """Register the link, run it to its end, account for that, and close it."""
        key = link.peer
        peer = PeerId(key.hex())
        try:
            if key not in self._members or not self._is_better(link):
                link.close(CloseCode.DUPLICATE, "there is a link already")
                return
            former = self._links.get(key)
            if former is not None:
                former.close(CloseCode.DUPLICATE, "replaced by another link of the same peer")
            self._links[key] = link
            self._faults.pop(key, None)
            self._inbox.connected(peer)
            self._log.info("peer_linked", peer=peer, address=link.address, dialed=link.dialed)
            try:
                await link.run(partial(self._receive, peer))
            finally:
                self._unlink(link)
        finally:
            await link.end()

    def _unlink(self, link: Link) -> None:
        """Account for a link that has ended, before it is closed: it may be replaced at once."""
        key, closing = link.peer, link.closing
        if self._links.get(key) is link:
            del self._links[key]
            self._inbox.disconnected(PeerId(key.hex()))
            if (event := self._unlinked.pop(key, None)) is not None:
                event.set()
        status = link.status()
        self._log.info(
            "peer_unlinked",
            peer=key.hex(),
            address=link.address,
            reason=closing.reason,
            code=closing.code,
            by_peer=closing.by_peer,
            frames_received=status.frames_received,
            frames_sent=status.frames_sent,
            gossip_dropped=status.gossip_dropped,
        )
        if closing.code == CloseCode.MALFORMED and not closing.by_peer:
            self._ban(key, closing.reason)

    async def _receive(self, peer: PeerId, frame: bytes) -> None:
        await self._inbox.put(peer, wire.decode(frame), len(frame))

    def _ban(self, key: PublicKey, reason: str) -> None:
        self._banned_until[key] = asyncio.get_running_loop().time() + MISBEHAVIOUR_DELAY_MS / 1000
        self._log.warning("peer_misbehaved", peer=key.hex(), reason=reason)
