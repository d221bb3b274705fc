"""One instance of a validator: the production engine, what is at hand, and what was signed. Cheap to copy and compare.

Everything in an engine's state that can change is a dictionary, a list, a set or the vote book; all else is a frozen
value. Copies and fingerprints go by the fields of the state, so a field that is added to it is copied and compared too.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, fields
from typing import Any, cast

from msgspec.structs import replace

from ledger.consensus.engine import HeightContext, HeightEngine, Timing
from ledger.consensus.inputs import Now
from ledger.consensus.messages import CommitRecord, SignedStatement
from ledger.consensus.state import HeightState
from ledger.consensus.votes import VoteBook
from ledger.primitives import Digest
from tests.scenarios.driver import chain

TIMING = Timing(base_timeout_ms=1_000, timeout_ms_max=8_000, heartbeat_ms=60_000, tick_ms=500)
STARTS_AT_MS = 10_000
"""When phase 0 begins: the pause before empty blocks (A10) is over."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A network of n validators with quorum q, of which the first have `twins` instances too many, one each.

    Instances are numbered: 0 to n - 1 are the validators, instance n + i is the second of validator i.
    """

    n: int
    q: int
    twins: int
    brake: bool = True

    @property
    def instances(self) -> int:
        """How many instances there are."""
        return self.n + self.twins

    def validator(self, instance: int) -> int:
        """Whose key an instance has."""
        return instance if instance < self.n else instance - self.n

    def honest(self, instance: int) -> bool:
        """Whether an instance is the only one of its validator."""
        return self.twins <= instance < self.n


class LedHeight(HeightContext, frozen=True):
    """A height whose rounds are led by whom the scenario says, and when it says no more, by the same again."""

    leaders: tuple[int, ...] = ()

    def leader(self, round: int) -> int:
        """The index of the validator that leads `round`."""
        return self.leaders[round % len(self.leaders)]


@dataclass(slots=True)
class Instance:
    """An instance between two phases, or in the middle of one. `bodies` are the blocks at hand, `said` all it signed,
    `accused` the validators against which it found evidence."""

    number: int
    engine: HeightEngine
    bodies: dict[Digest, None] = field(default_factory=dict)
    said: list[SignedStatement] = field(default_factory=list)
    accused: set[int] = field(default_factory=set)
    decided: CommitRecord | None = None
    decided_hash: Digest | None = None

    @property
    def state(self) -> HeightState:
        """What its engine knows."""
        return self.engine.state

    def copy(self) -> Instance:
        """The same instance, to go on by itself."""
        engine = object.__new__(HeightEngine)
        engine.context, engine.state = self.engine.context, _copied(self.engine.state)
        return Instance(
            self.number,
            engine,
            dict(self.bodies),
            list(self.said),
            set(self.accused),
            self.decided,
            self.decided_hash,
        )

    def let_lead(self, leaders: tuple[int, ...]) -> None:
        """From here on these lead the rounds."""
        self.engine.context = self.engine.state.context = replace(self.engine.context, leaders=leaders)

    def fingerprint(self) -> Hashable:
        """Equal for two instances that behave alike from here on, whatever happens, and that were heard saying the
        same so far. Of a decided instance nothing counts but what is asked of its past."""
        past = (self.number, tuple(self.said), frozenset(self.accused), self.decided)
        if self.decided is not None:
            return past
        return (*past, tuple(self.bodies), _shape(self.engine.state))


def fresh(setting: Setting, number: int, leaders: tuple[int, ...]) -> Instance:
    """An instance at the beginning of the height."""
    context = LedHeight(
        height=1,
        parent_hash=chain.GENESIS.block_hash,
        parent_time_ms=chain.GENESIS.time_ms,
        validator_count=setting.n,
        quorum=setting.q,
        leader_order=tuple(range(setting.n)),
        me=setting.validator(number),
        may_vote=True,
        timing=TIMING,
        committed_at_ms=0,
        equivocation_brake=setting.brake,
        leaders=leaders,
    )
    return Instance(number, HeightEngine(context))


def now(at_ms: int) -> Now:
    """Both clocks."""
    return Now(at_ms, chain.GENESIS_TIME_MS + at_ms)


def _copied(value: Any) -> Any:
    """A copy of whatever can change in it."""
    kind = type(value)
    if kind is dict:
        return {key: _copied(item) for key, item in value.items()}
    if kind is list:
        return [_copied(item) for item in value]
    if kind is set:
        return set(value)
    names = _FIELDS.get(kind)
    if names is None:
        return value
    made = object.__new__(kind)
    for name in names:
        setattr(made, name, _copied(getattr(value, name)))
    return made


def _shape(value: Any) -> Hashable:
    """A value to compare by, orders and all; to hash it fails where there is something else that can change."""
    kind = type(value)
    if kind is dict:
        return tuple((key, _shape(item)) for key, item in value.items())
    if kind is list:
        return tuple(map(_shape, value))
    if kind is set:
        return frozenset(value)
    names = _FIELDS.get(kind)
    if names is None:
        return cast(Hashable, value)
    return tuple(_shape(getattr(value, name)) for name in names)


_FIELDS: dict[type, tuple[str, ...]] = {
    kind: tuple(item.name for item in fields(kind)) for kind in (HeightState, VoteBook)
}
