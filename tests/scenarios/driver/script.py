"""Reading and running a script (the language is in the package's docstring)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ledger.consensus import codec
from ledger.consensus.engine import HeightEngine
from ledger.consensus.inputs import Wake
from ledger.consensus.statements import Statement, StatementType

from .forging import Forger
from .node import CrashPoint, Disk
from .world import Frame, ViolationError, World, block_text, statement_text


class Script:
    """One run of one file."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.world: World | None = None
        self.forger: Forger | None = None
        self.commands: dict[str, Callable[[list[str]], None]] = {
            "byzantine": self._byzantine,
            "dead": self._dead,
            "crash": self._crash,
            "restart": lambda words: self._each(words[0], self.world.restart),
            "amnesia": self._amnesia,
            "observer": self._observer,
            "builds-badly": self._builds_badly,
            "brake": self._brake,
            "clock": self._clock,
            "work": self._work,
            "cut": self._cut,
            "heal": lambda words: self.world.heal(),
            "settle": lambda words: self.world.settle(),
            "clear": lambda words: self.world.flight.clear(),
            "deliver": lambda words: self._frames(words, self.world.deliver),
            "drop": lambda words: self._frames(words, self.world.flight.remove),
            "pass": lambda words: self.world.pass_time(int(words[0]), delivering=False),
            "run": lambda words: self.world.pass_time(int(words[0]), delivering=True),
            "block": lambda words: self.forger.name_block(*words),
            "certificate": lambda words: self.forger.name_certificate(*words),
            "forge": lambda words: self.forger.forge(int(words[0]), words[1], *words[2:]),
            "expect": self._expect,
            "network": self._network,
        }

    def run(self) -> World:
        """Run to the end. Raises `ViolationError` with the line and the trace when something does not hold."""
        commits = False
        for number, words in _unroll(self.lines):
            try:
                if self.world is None:
                    self._begin(words)
                else:
                    self.world.note(f"-- {' '.join(words)}")
                    self.commands[words[0]](words[1:])
                    self.world.check()
                    commits = words[0] == "network"
            except Exception as error:
                trace = "\n".join(self.world.trace[-60:]) if self.world else ""
                line = self.lines[number - 1].strip()
                raise ViolationError(f"line {number}: {line}\n{type(error).__name__}: {error}\n{trace}") from error
        if not commits:
            raise ViolationError("a script ends with 'network commits'")
        return self.world

    # ---- the world

    def _begin(self, words: list[str]) -> None:
        options = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        self.world = World(
            options.pop("validators"),
            options.pop("quorum"),
            base_ms=options.pop("base", 1_000),
            heartbeat_ms=options.pop("heartbeat", 60_000),
        )
        assert not options, f"unknown option: {options}"
        self.forger = Forger(self.world)

    def _nodes(self, word: str) -> list[int]:
        if word == "all":
            return [node.index for node in self.world.live()]
        return [int(part) for part in word.split(",")]

    def _each(self, word: str, act: Callable[[int], None]) -> None:
        for index in self._nodes(word):
            act(index)

    def _byzantine(self, words: list[str]) -> None:
        self.world.make_byzantine(self._nodes(words[0]))

    def _dead(self, words: list[str]) -> None:
        self.world.dead.update(self._nodes(words[0]))
        self._each(words[0], self.world.crash)

    def _crash(self, words: list[str]) -> None:
        if len(words) == 1:
            self._each(words[0], self.world.crash)
            return
        when, kind, *rest = words[1:]
        sends = int(rest[1]) if rest else 0
        self._each(words[0], lambda index: self.world.arm(index, CrashPoint(kind, when, sends)))

    def _amnesia(self, words: list[str]) -> None:
        for index in self._nodes(words[0]):
            node = self.world.nodes[index]
            node.disk = Disk(records=node.disk.records)
            self.world.restart(index)

    def _observer(self, words: list[str]) -> None:
        for index in self._nodes(words[0]):
            self.world.nodes[index].may_vote = False
            self.world.restart(index)

    def _builds_badly(self, words: list[str]) -> None:
        for index in self._nodes(words[0]):
            self.world.nodes[index].builds_badly = words[1] == "on"

    def _brake(self, words: list[str]) -> None:
        for node in self.world.live():
            node.brake = words[0] == "on"
            self.world.restart(node.index)

    def _clock(self, words: list[str]) -> None:
        for index in self._nodes(words[0]):
            self.world.nodes[index].clock_offset_ms = int(words[1])

    def _work(self, words: list[str]) -> None:
        for index in self._nodes(words[0]):
            for label in words[1:]:
                self.world.nodes[index].add_work(label)

    def _cut(self, words: list[str]) -> None:
        self.world.groups = [set(self._nodes(word)) for word in words]

    def _network(self, words: list[str]) -> None:
        assert words[0] == "commits"
        world = self.world
        bad_leaders = len(world.dead) + 2
        limit = int(words[2]) if len(words) > 1 else bad_leaders * world.timing.timeout_ms_max
        world.network_commits(limit)

    # ---- frames

    def _matching(self, words: list[str]) -> list[Frame]:
        source, target = words[0].split("->")
        kind = words[1] if len(words) > 1 else None
        place = words[2] if len(words) > 2 else None
        return [
            frame
            for frame in self.world.flight
            if (source in ("*", str(frame.source)) or str(frame.source) in source.split(","))
            and (target in ("*", str(frame.target)) or str(frame.target) in target.split(","))
            and (kind is None or kind == _kind_of(frame))
            and (place is None or place == _place_of(frame))
        ]

    def _frames(self, words: list[str], act: Callable[[Frame], None]) -> None:
        frames = self._matching(words)
        assert frames, f"nothing like this is in flight: {[_text(frame) for frame in self.world.flight]}"
        for frame in frames:
            act(frame)

    # ---- expectations

    def _expect(self, words: list[str]) -> None:
        match words:
            case ["no", "evidence"]:
                assert not self.world.evidence, self.world.evidence
            case ["evidence", "count", number]:
                assert len(self.world.evidence) == int(number), self.world.evidence
            case ["evidence", "against", index]:
                assert any(first.validator == int(index) for _, first, _ in self.world.evidence), "no evidence"
            case ["evidence", "against", index, kinds]:
                found = {
                    "+".join(sorted(item.statement.type.name.lower() for item in (first, second)))
                    for _, first, second in self.world.evidence
                    if first.validator == int(index)
                }
                assert kinds in found, f"evidence found: {sorted(found)}"
            case ["refused", *text]:
                wanted = " ".join(text)
                assert any(wanted in reason for reason in self.world.refused), self.world.refused
            case ["committed", height, label]:
                found = block_text(self.world, self.world.committed[int(height)])
                assert found == f"block {label}", found
            case ["leader", place, index]:
                height, round = map(int, place.split("/"))
                engine = next(node.engine for node in self.world.live() if node.height == height)
                assert engine.context.leader(round) == int(index), engine.context.leader_order
            case ["no", "flight", *rest]:
                assert not self._matching(rest), [_text(frame) for frame in self._matching(rest)]
            case ["flight", *rest]:
                assert self._matching(rest), [_text(frame) for frame in self.world.flight]
            case [nodes, *rest]:
                self._each(nodes, lambda index: self._expect_of(index, rest))

    def _expect_of(self, index: int, words: list[str]) -> None:
        node, world = self.world.nodes[index], self.world
        match words:
            case ["deciding", height]:
                assert node.height == int(height), f"{index} is deciding {node.height}"
            case ["down"]:
                assert node.engine is None, f"{index} is up"
            case ["timing"]:
                assert node.engine.status().timer_running, f"the timer of {index} does not run"
            case ["idle"]:
                assert not node.engine.status().timer_running, f"the timer of {index} runs"
            case ["contradicted"]:
                assert node.engine.state.contradicted, f"{index} trusts its vote state"
            case ["silent"]:
                assert not node.disk.messages, f"{index} has signed at this height"
            case ["round", place]:
                assert place == f"{node.height}/{node.engine.round}", f"{index} is in {node.height}/{node.engine.round}"
            case ["fresh"]:
                self._expect_fresh(index)
            case ["signed", kind, place, *what]:
                texts = [statement_text(world, item) for item in self._signed(index, kind, place)]
                assert texts, f"{index} signed no {kind} in {place}"
                wanted = " ".join(what) if what[:1] == ["high"] else "".join(f"block {label}" for label in what)
                assert all(text.endswith(wanted) for text in texts), texts
            case ["unsigned", kind, place]:
                signed = self._signed(index, kind, place)
                assert not signed, [statement_text(world, item) for item in signed]
            case _:
                raise AssertionError(f"expect what? {words}")

    def _signed(self, index: int, kind: str, place: str) -> list[Statement]:
        height, round = map(int, place.split("/"))
        return [
            signed.statement
            for signed in self.world.statements.get((index, height), [])
            if signed.statement.round == round and signed.statement.type == StatementType[kind.upper()]
        ]

    def _expect_fresh(self, index: int) -> None:
        """What this height's engine knows is what an engine knows that was made now (row 9, I12)."""
        node = self.world.nodes[index]
        fresh = HeightEngine(node.engine.context)
        fresh.handle(Wake(), self.world.now(node))
        assert fresh.state == node.engine.state, f"{index} remembers something of an earlier height"


def _unroll(lines: list[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers and words of the commands, with repeat ... end unrolled (it does not nest)."""
    repeated: list[tuple[int, list[str]]] = []
    times = 0
    for number, line in enumerate(lines, 1):
        words = line.split("#")[0].split()
        match words:
            case []:
                continue
            case ["repeat", count]:
                times, repeated = int(count), []
            case ["end"]:
                yield from repeated * times
                times = 0
            case _ if times:
                repeated.append((number, words))
            case _:
                yield number, words


def _kind_of(frame: Frame) -> str:
    if frame.kind != "message":
        return frame.kind
    return str(codec.message_to_json(codec.decode_message(frame.payload))["type"])


def _place_of(frame: Frame) -> str:
    if frame.kind == "message":
        return f"{frame.height}/{codec.message_to_json(codec.decode_message(frame.payload))['round']}"
    return f"{frame.height}/{frame.payload}" if frame.kind == "status" else f"{frame.height}/-"


def _text(frame: Frame) -> str:
    return f"{frame.source}->{frame.target} {_kind_of(frame)} {_place_of(frame)}"


def run(path: Path) -> World:
    """Run the script in a file."""
    return Script(path.read_text()).run()
