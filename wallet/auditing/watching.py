"""Watching nodes: each must show the chain that was seen before, going on, and all of them the same one.

A **look** asks every node for its newest block and follows it there from the newest block that was seen, by certified
headers and RFC 6962 consistency proofs (`ledger.light_client`). Then it holds the nodes against each other: of two, the
one that is further must have the other's newest block. A node that is behind is no split.

What is found:

    split_view     two certified blocks of one height; the proof is a file (`ledger.split_view`)
    inconsistent   a certified block whose log does not go on from the log that was seen
    forged         what a node shows does not verify at all
    rolled_back    a node shows less than it did
    stalled        a node's newest block is too old

What was seen is only added to by a look in which nobody showed another chain: a watch never chooses between two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from itertools import pairwise
from typing import TYPE_CHECKING

from ledger.errors import LedgerError, MalformedError
from ledger.light_client import LightClient
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.split_view import Side, build_split_view, verify_split_view
from wallet.auditing.following import validators_after
from wallet.auditing.watch_state import Memory
from wallet.client.errors import UnreachableError, UntrueAnswerError, Untruth
from wallet.client.following import Follower
from wallet.exit_codes import ExitCode, WalletError, verification_error

if TYPE_CHECKING:
    from ledger.consensus.messages import CommitRecord
    from ledger.consensus.record import CertifiedHeader
    from ledger.encoding import Json
    from wallet.client import Client
    from wallet.pinning import Pin


@unique
class Kind(StrEnum):
    """What may be found of a node (see the module's docstring)."""

    SPLIT_VIEW = "split_view"
    INCONSISTENT = "inconsistent"
    FORGED = "forged"
    ROLLED_BACK = "rolled_back"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: with which node, at which height; `evidence` is the content of a file that proves it."""

    kind: Kind
    node: str
    height: int
    sentence: str
    evidence: bytes | None = None

    def to_json(self) -> dict[str, Json]:
        """The finding for programs."""
        return {"kind": str(self.kind), "node": self.node, "height": self.height, "detail": self.sentence}


@dataclass(frozen=True, slots=True)
class Shown:
    """A certified block that a node has shown, and what leads to it from what is pinned."""

    certified: CertifiedHeader
    side: Side


@dataclass(frozen=True, slots=True)
class NodeView:
    """How one node stands: height and ledger time (ms) of the newest block that it names, and whether that holds.

    `head` is that block, certified; None where it is not above what is pinned, or there is a `problem`.
    """

    url: str
    height: int
    time_ms: int | None = None
    head: CertifiedHeader | None = None
    problem: str | None = None

    def to_json(self) -> dict[str, Json]:
        """The view for programs."""
        return {
            "node": self.url,
            "height": self.height,
            "block_hash": None if self.head is None else self.head.block_hash.hex(),
            "time_ms": self.time_ms,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Look:
    """What one look saw."""

    views: tuple[NodeView, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Followed:
    """A node that was followed to its newest block, in `light`."""

    view: NodeView
    client: Client
    light: LightClient


class Watch:
    """What was seen of one chain, and how each node stood. Begins from `memory`, or from what is pinned."""

    def __init__(self, pin: Pin, memory: Memory, *, stalled_after_ms: int, now_ms: Callable[[], int]) -> None:
        """Raises `WalletError` (10) when what is remembered is of another chain than what is pinned."""
        self._pin = pin
        self._stalled_after_ms = stalled_after_ms
        self._now_ms = now_ms
        self.memory = memory
        self._known = LightClient(pin.anchor)
        self._record: CommitRecord | None = None
        checkpoint = memory.checkpoint
        if checkpoint is None:
            return
        if checkpoint.header.chain != pin.anchor.chain:
            raise verification_error(
                f"What is remembered is of the chain {checkpoint.header.chain.hex()}, and pinned is another.",
                code="checkpoint_differs",
                remedy="Name another file with --state, or pin the genesis of the chain that was watched.",
            )
        if checkpoint.header.height == pin.anchor.height and checkpoint.header != pin.anchor.header:
            raise verification_error(
                f"What is remembered is another block {pin.anchor.height} than the pinned one.",
                code="checkpoint_differs",
                remedy="There are two chains: what is remembered or what is pinned was forged. Ask the operators.",
            )
        if checkpoint.header.height >= pin.anchor.height:
            self._known = LightClient(anchor_of_checkpoint(checkpoint))
            self._record = memory.record

    @property
    def known(self) -> CertifiedHeader | None:
        """The newest block that was seen."""
        return self._known.head

    async def look(self, nodes: Mapping[str, Client]) -> Look:
        """Look at every node once. Raises `WalletError` (14) when none of them answered."""
        results = await asyncio.gather(*(self._look_at(url, client) for url, client in nodes.items()))
        followed = [result for result in results if isinstance(result, _Followed)]
        findings = [result for result in results if isinstance(result, Finding)]
        views: list[NodeView] = []
        for url, result in zip(nodes, results, strict=True):
            match result:
                case _Followed():
                    views.append(result.view)
                case Finding():
                    views.append(NodeView(url, result.height, problem=result.sentence))
                case WalletError():
                    views.append(NodeView(url, 0, problem=result.sentence))
        for url, result in zip(nodes, results, strict=True):
            if isinstance(result, WalletError) and not (followed or findings):
                raise _nobody(url, result)
        found, missed = await self._compare(followed)
        findings += found
        followed = [each for each in followed if each.view.url not in missed]
        views = [replace(view, problem=missed.get(view.url, view.problem)) for view in views]
        findings += self._hold_to_their_past(views)
        await self._learn(followed, views, findings)
        return Look(tuple(views), tuple(findings))

    async def _look_at(self, url: str, client: Client) -> _Followed | Finding | WalletError:
        """Follow one node to its newest block, which may be below what was seen."""
        try:
            claimed = await client.head()
        except WalletError as error:
            return error
        height, pinned, known = claimed.height, self._pin.anchor, self._known.head
        try:
            if known is not None and pinned.height < known.header.height <= height:
                shown = await self._shown(client, known.header.height)
                if shown.certified.block_hash != known.block_hash:
                    return self._split(url, "that was seen", self._seen_side(shown), shown.side, known.header.height)
            light = self._known.fork() if height >= self._known.height else LightClient(pinned)
            await Follower(pinned, light).advance(client, height)
        except LedgerError as error:
            return Finding(Kind.FORGED, url, height, f"{url} shows a block {height} that does not verify: {error}.")
        except UntrueAnswerError as error:
            kind = Kind.INCONSISTENT if error.untruth is Untruth.LOG_INCONSISTENT else Kind.FORGED
            return Finding(kind, url, height, error.sentence)
        except WalletError as error:
            if _gave_no_answer(error):
                return error
            return Finding(Kind.FORGED, url, height, f"{url} says it has {height} blocks: {error.sentence}")
        head = light.head if light.height == height else None
        if head is not None and height == pinned.height and claimed.block_hash != head.block_hash.hex():
            return Finding(Kind.FORGED, url, height, f"{url} shows another block {height} than the pinned one.")
        time_ms = claimed.time_ms if head is None else head.header.time_ms
        if pinned.header is not None and height <= pinned.height:
            time_ms = min(time_ms, pinned.header.time_ms)  # nothing else shows how old it is
        return _Followed(NodeView(url, height, time_ms, head), client, light)

    async def _compare(self, followed: list[_Followed]) -> tuple[list[Finding], dict[str, str]]:
        """Hold the nodes against each other, from the one that is least far on: what is found, and of which nodes
        nothing can be found just now, because they did not answer.
        """
        findings: list[Finding] = []
        missed: dict[str, str] = {}
        ordered = sorted(followed, key=lambda each: each.view.height)
        for lower, higher in pairwise(ordered):
            head, url = lower.view.head, higher.view.url
            if head is None or head.header.height <= self._pin.anchor.height:
                continue
            if higher.view.head is not None and higher.view.head.block_hash == head.block_hash:
                continue
            height = head.header.height
            try:
                shown = await self._shown(higher.client, height)
            except LedgerError as error:
                sentence = f"{url} shows a block {height} that does not verify: {error}."
                findings.append(Finding(Kind.FORGED, url, height, sentence))
            except WalletError as error:
                sentence = f"{url} does not show block {height}, below its newest: {error.sentence}"
                if _gave_no_answer(error):
                    missed[url] = sentence
                else:
                    findings.append(Finding(Kind.FORGED, url, height, sentence))
            else:
                if shown.certified.block_hash != head.block_hash:
                    theirs = await self._side_of(lower, height)
                    findings.append(self._split(url, f"of {lower.view.url}", theirs, shown.side, height))
        return findings, missed

    def _hold_to_their_past(self, views: list[NodeView]) -> list[Finding]:
        """Nodes that show less than they did, or nothing new for too long."""
        findings = []
        for view in views:
            if view.problem is not None or view.time_ms is None:
                continue
            before = self.memory.heights.get(view.url, 0)
            if view.height < before:
                sentence = f"{view.url} shows block {view.height} as its newest, and has shown block {before} before."
                findings.append(Finding(Kind.ROLLED_BACK, view.url, view.height, sentence))
            age_ms = self._now_ms() - view.time_ms
            if age_ms > self._stalled_after_ms:
                sentence = f"{view.url} shows nothing newer than block {view.height}, of {age_ms // 1000} s ago."
                findings.append(Finding(Kind.STALLED, view.url, view.height, sentence))
        return findings

    async def _learn(self, followed: list[_Followed], views: list[NodeView], findings: list[Finding]) -> None:
        """Remember how far each node was, and the newest block, unless two chains were shown."""
        heights = dict(self.memory.heights)
        for view in views:
            heights[view.url] = max(heights.get(view.url, 0), view.height if view.problem is None else 0)
        self.memory = replace(self.memory, heights=heights)
        distrusted = {finding.node for finding in findings if finding.kind is Kind.FORGED}
        honest = [each for each in followed if each.view.url not in distrusted]
        newest = max(honest, key=lambda each: each.view.height, default=None)
        if newest is None or newest.view.height <= self._known.height:
            return
        if any(finding.kind is Kind.SPLIT_VIEW for finding in findings):
            return
        seen = newest.light.remembered(newest.view.height)
        assert seen is not None, "it was followed to that block"
        self._known, (head, self._record) = newest.light, seen
        try:
            validators = await validators_after(newest.client, newest.light)
        except WalletError:
            return  # the next block is remembered, then
        checkpoint = build_pinned_checkpoint(network=self._pin.network, header=head.header, validators=validators)
        self.memory = Memory(checkpoint, self._record, heights)

    async def _shown(self, client: Client, height: int) -> Shown:
        """A node's block of a height above what is pinned, verified from there. Raises `LedgerError`, `WalletError`."""
        follower = Follower(self._pin.anchor)
        trail = await follower.advance(client, height)
        seen = follower.light.remembered(height)
        if seen is None or (record := seen[1]) is None:
            raise MalformedError(f"it does not lead to block {height}")
        return Shown(seen[0], Side(record, trail))

    async def _side_of(self, each: _Followed, height: int) -> Side | None:
        """A node's block of a height with the trail to its signers, for a proof; None when it does not give it now."""
        try:
            return (await self._shown(each.client, height)).side
        except (LedgerError, WalletError):
            return None

    def _seen_side(self, shown: Shown) -> Side | None:
        """The block that was seen, with the trail that leads to its signers if they are those of what is shown now."""
        return None if self._record is None else Side(self._record, shown.side.trail)

    def _split(self, url: str, whose: str, first: Side | None, second: Side, height: int) -> Finding:
        evidence = None if first is None else build_split_view(self._pin.anchor.chain, first, second)
        if evidence is not None:
            try:
                verify_split_view(evidence, self._pin.anchor)
            except LedgerError:
                evidence = None  # other sets signed what was seen: the trail to them is not at hand any more
        sentence = f"{url} shows another certified block {height} than the one {whose}: there are two chains."
        return Finding(Kind.SPLIT_VIEW, url, height, sentence, evidence)


def _gave_no_answer(error: WalletError) -> bool:
    """Whether a node could not be asked, which says nothing about its chain."""
    return isinstance(error, UnreachableError) and error.code != "node_answer_malformed"


def _nobody(url: str, error: WalletError) -> WalletError:
    """What a look ends with that no node answered: one that refuses has not answered, and must not end a watch."""
    if error.exit_code is ExitCode.NODE_UNREACHABLE:
        return error
    return WalletError(ExitCode.NODE_UNREACHABLE, error.code, f"{url} does not show its newest block: {error.sentence}")
