"""The nodes that are asked about one chain, what is known of it, and which of them said what was not true."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from ledger.errors import MalformedError
from wallet.client.conversation import Client, Failure
from wallet.client.errors import ForkedError, RefusedError, UntrueAnswerError, lags, unreachable, worst
from wallet.exit_codes import WalletError

if TYPE_CHECKING:
    from wallet.client.following import Follower

T = TypeVar("T")
P = ParamSpec("P")


class Witnesses:
    """Asks one after the other until an answer holds. `untrue` has the newest untrue answer of each, by its URL."""

    def __init__(self, client: Client, follower: Follower) -> None:
        self._client = client
        self.follower = follower
        self.untrue: dict[str, UntrueAnswerError] = {}

    async def from_any(
        self, work: Callable[Concatenate[Client, P], Awaitable[T]], *args: P.args, **given: P.kwargs
    ) -> T:
        """What `work` gives with the first node whose answer holds.

        Raises the gravest of what it raised, when no answer does, and `ForkedError` at once.
        """
        errors: list[WalletError] = []
        for url in self._client.nodes:
            try:
                value = await self._judged(url, work(self._client.only(url), *args, **given))
            except ForkedError:
                raise
            except WalletError as error:
                self._client.notice(error.sentence)
                errors.append(error)
            else:
                self._client.prefer(url)
                return value
        raise worst(errors)

    async def catch_up(self) -> None:
        """Be led by a node to its newest block. One that lags, or whose chain has no block yet, has nothing to say."""
        try:
            await self.from_any(self.follower.advance)
        except (UntrueAnswerError, RefusedError) as error:
            if not lags(error) and error.code != "certificate_unknown":
                raise

    async def ask_all(self) -> dict[str, WalletError]:
        """Be led by every node to its newest block: those that failed to, and why. Raises `ForkedError`."""

        async def one(url: str) -> WalletError | None:
            try:
                await self._judged(url, self.follower.advance(self._client.only(url)))
            except WalletError as error:
                return error
            return None

        urls = self._client.nodes
        failed = {
            url: error
            for url, error in zip(urls, await asyncio.gather(*map(one, urls)), strict=True)
            if error is not None
        }
        for error in failed.values():
            if isinstance(error, ForkedError):
                raise error
        return failed

    def distrust(self, error: UntrueAnswerError) -> UntrueAnswerError:
        """Remember that a node's answer was untrue, and ask it last from now on."""
        self.untrue[error.node] = error
        self._client.avoid(error.node)
        return error

    async def _judged(self, url: str, work: Awaitable[T]) -> T:
        """The result of asking `url`; an answer of another shape is none, and an untrue one is remembered."""
        try:
            return await work
        except MalformedError as error:
            raise unreachable([Failure(url, str(error), "node_answer_malformed")]) from None
        except UntrueAnswerError as error:
            raise self.distrust(error) from None
