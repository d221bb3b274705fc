"""Workers change when an answer comes and never what it is: killed, hanging, lying, ended, or as they should be."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.claims import Claims
from ledger.crypto import SigningKey, verify
from ledger.primitives import PublicKey, Signature
from node.log import EventLog, Value
from node.verification import ahead as the_module
from node.verification import worker
from node.verification.ahead import AheadVerifier, Claim
from node.verification.process import WorkerProcess

KEYS = [SigningKey(bytes([number]) * 32) for number in range(1, 5)]
READY = "import sys, os, time\nread, say = sys.stdin.buffer.read, lambda data: os.write(1, data)\nsay(bytes(12))\n"


class Log(EventLog):
    """Keeps what was said."""

    def __init__(self) -> None:
        super().__init__("test")
        self.said: list[str] = []

    def warning(self, event: str, **fields: Value) -> None:
        self.said.append(f"{event}: {fields['reason']}")


class Clock:
    """The time of this machine, and what was added to it."""

    def __init__(self) -> None:
        self.added = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added


def claims_of(count: int, *, tampered: frozenset[int] = frozenset(), first: int = 0) -> list[Claim]:
    """Claims, all different; those at the indices `tampered` are false."""
    claims = []
    for number in range(first, first + count):
        key, message = KEYS[number % len(KEYS)], b"quorum-ledger/v1/test\0%d" % number
        signature = key.sign(message)
        if number - first in tampered:
            signature = Signature(signature[:33] + bytes([signature[33] ^ 1]) + signature[34:])
        claims.append((key.public_key, message, signature))
    return claims


def begin(verifier: AheadVerifier, workers: int = 1) -> AheadVerifier:
    """Have the workers started, as the first batch does, and wait until they are ready."""
    verifier.expect(claims_of(40))
    wait_for(verifier, workers)
    return verifier


@pytest.fixture(scope="module")
def verifiers() -> Iterator[list[AheadVerifier]]:
    """With one and with two workers."""
    with AheadVerifier(1, log=Log()) as one, AheadVerifier(2, log=Log()) as two:
        yield [begin(one), begin(two, 2)]


class Verifier:
    """One with a worker that runs `program`, with what it said and a clock that can be set forward."""

    def __init__(self, program: str | None = None) -> None:
        self.log = Log()
        self.clock = Clock()

        def start() -> WorkerProcess:
            return WorkerProcess() if program is None else WorkerProcess(program)

        self.ahead = AheadVerifier(1, log=self.log, start=start, seconds=self.clock)

    def __enter__(self) -> Verifier:
        begin(self.ahead)
        return self

    def __exit__(self, *_: object) -> None:
        self.ahead.close()

    def agrees(self, claims: list[Claim]) -> None:
        """Every answer is that of `verify`."""
        assert [self.ahead(*claim) for claim in claims] == [verify(*claim) for claim in claims]


def wait_for(verifier: AheadVerifier, workers: int) -> None:
    """Wait until so many workers are ready, or have ended."""
    until = time.monotonic() + 60
    while len(verifier._workers) >= workers > len(verifier.workers):
        assert time.monotonic() < until, "the workers do not start"
        verifier._move()
        time.sleep(0.01)  # starting a program is all that is waited for


# ---- as they should be


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(32, 300),
    tampered=st.frozensets(st.integers(0, 299), max_size=5),
    asked=st.integers(0, 300),
    first=st.integers(0, 2**40),
)
def test_any_number_of_workers_gives_what_none_gives(
    verifiers: list[AheadVerifier], count: int, tampered: frozenset[int], asked: int, first: int
) -> None:
    claims = claims_of(count, tampered=tampered, first=first)
    expected = [verify(*claim) for claim in claims]
    for verifier in verifiers:
        verifier.expect(claims)
        answers = [verifier(*claim) for claim in (*claims[asked:], *claims[:asked])]  # in whatever order
        assert answers[count - asked :] + answers[: count - asked] == expected if asked < count else answers == expected
        assert verifier.waiting == 0


def test_what_a_worker_found_true_is_not_verified_again(
    verifiers: list[AheadVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claims_of(100, tampered=frozenset({50}))
    verifiers[0].expect(claims)
    here: list[bytes] = []

    def counting(key: PublicKey, message: bytes, signature: Signature) -> bool:
        here.append(message)
        return verify(key, message, signature)

    monkeypatch.setattr(the_module, "verify", counting)
    answers = [verifiers[0](*claim) for claim in claims]
    assert answers == [number != 50 for number in range(100)]
    assert here == [claims[50][1]], "what was found false is found again here"


def test_a_claim_is_known_by_all_three_of_its_parts(verifiers: list[AheadVerifier]) -> None:
    (key, message, signature), *_ = claims = claims_of(64)
    verifiers[0].expect(claims)
    assert not verifiers[0](KEYS[1].public_key, message, signature)
    assert not verifiers[0](key, message + b".", signature)
    assert not verifiers[0](key, message, claims[1][2])
    assert verifiers[0](key, message, signature)
    assert verifiers[0](key, message, signature), "and again, when nothing is remembered of it"
    verifiers[0]._forget(verifiers[0]._jobs[-1])


def test_few_signatures_are_verified_where_they_are_asked_for(verifiers: list[AheadVerifier]) -> None:
    before = verifiers[0].waiting
    verifiers[0].expect(claims_of(31))
    assert verifiers[0].waiting == before


# ---- bounds


@pytest.mark.parametrize(
    ("limit", "bound"), [("VERIFY_AHEAD_MAX", 128), ("VERIFY_AHEAD_BYTES_MAX", 20_000), ("VERIFY_JOBS_MAX", 2)]
)
def test_what_nobody_asks_for_is_forgotten(
    verifiers: list[AheadVerifier], monkeypatch: pytest.MonkeyPatch, limit: str, bound: int
) -> None:
    monkeypatch.setattr(the_module, limit, bound)
    verifier = verifiers[1]
    for batch in range(10):
        verifier.expect(claims_of(100, first=batch * 100))
        assert verifier.waiting <= 200
        assert verifier._bytes <= 40_000
        assert len(verifier._jobs) <= 8
    claims = claims_of(1_000, tampered=frozenset({1, 998}))
    assert [verifier(*claim) for claim in claims] == [verify(*claim) for claim in claims]
    for claim in claims_of(1_000):
        assert verifier(*claim)
    assert (verifier.waiting, verifier._bytes) == (0, 0)


def test_what_was_asked_for_in_front_of_a_stuck_worker_is_kept_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_module, "VERIFY_WORKER_SIGNATURES_MAX", 64)
    with Verifier(READY + "time.sleep(600)") as running:
        running.ahead.expect(claims_of(64, first=1_000))  # with the worker, or in front of it, and never asked for
        running.ahead.expect(claims_of(64, first=2_000))
        for first in range(3_000, 8_000, 100):
            claims = claims_of(100, first=first)
            running.ahead.expect(claims)
            running.agrees(claims)
        assert sum(len(job.encoded) for job in running.ahead._queue) <= running.ahead._bytes


# ---- as they should not be


def test_a_worker_that_is_killed_is_replaced_and_nothing_is_lost() -> None:
    with Verifier() as running:
        (pid,) = running.ahead.workers
        claims = claims_of(300, tampered=frozenset({0, 150, 299}))
        running.ahead.expect(claims)
        os.kill(pid, signal.SIGKILL)
        running.agrees(claims)
        assert running.ahead.workers == ()
        assert [said.partition(":")[0] for said in running.log.said] == ["verify_worker_lost"]
        running.ahead.expect(claims_of(100))
        assert not running.ahead._workers, "not at once"
        running.clock.added += 11
        status = running.ahead.status()
        assert (status.configured, status.running, status.lost) == (1, 0, 1)
        assert status.lost_ago_ms is not None
        assert status.lost_ago_ms >= 11_000
        begin(running.ahead)
        assert running.ahead.workers != (pid,)
        before = running.ahead.status().verified
        running.ahead.expect(claims)
        running.agrees(claims)
        assert len(running.log.said) == 1
        after = running.ahead.status()
        assert (after.running, after.lost, after.verified - before) == (1, 1, 300)


def test_workers_that_hang_are_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(the_module, "VERIFY_WAIT_MS_MAX", 50)
    log = Log()
    with AheadVerifier(2, log=log) as ahead:
        pids = begin(ahead, 2).workers
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        claims = claims_of(400, tampered=frozenset({200}))
        ahead.expect(claims)
        assert [ahead(*claim) for claim in claims] == [verify(*claim) for claim in claims]
        assert log.said == ["verify_worker_lost: it did not answer within 50 ms"]
        assert (ahead.status().lost, ahead.status().running) == (2, 0)
        for pid in pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)


ANSWERS_HEAD = READY + "head = read(12); number, size = head[:8], int.from_bytes(head[8:], 'big'); read(size)\n"
LIES = {
    "answers before it was asked": READY
    + "say((1).to_bytes(8, 'big') + (64).to_bytes(4, 'big') + b'\\1' * 64)\nread()",
    "answers another job": ANSWERS_HEAD + "say((2).to_bytes(8, 'big') + (64).to_bytes(4, 'big') + b'\\1' * 64)\nread()",
    "answers too much": ANSWERS_HEAD + "say(number + (65).to_bytes(4, 'big') + b'\\1' * 65)\nread()",
    "answers too little": ANSWERS_HEAD + "say(number + (63).to_bytes(4, 'big') + b'\\1' * 63)\nread()",
    "answers twice": ANSWERS_HEAD + "say(2 * (number + (64).to_bytes(4, 'big') + b'\\0' * 64))\nread()",
    "is never sure": ANSWERS_HEAD + "say(number + (64).to_bytes(4, 'big') + b'\\2' * 64)\nread()",
    "talks": ANSWERS_HEAD + "say(b'Traceback (most recent call last):')\nread()",
    "ends in the middle of an answer": ANSWERS_HEAD + "say(number + (64).to_bytes(4, 'big') + b'\\1' * 9)",
    "ends in the middle of a job": READY + "read(40)",
    "ends at once": READY,
}


@pytest.mark.parametrize("lie", LIES)
def test_what_is_no_answer_of_its_next_job_counts_for_nothing(lie: str) -> None:
    with Verifier(LIES[lie]) as running:
        claims = claims_of(64, tampered=frozenset(range(0, 64, 2)))
        running.ahead.expect(claims)
        running.agrees(claims)
        until = time.monotonic() + 10
        while not running.log.said:
            assert time.monotonic() < until
            running.ahead._move()  # the surplus of an answer may come later than the answer
        assert len(running.log.said) == 1
        assert running.ahead.workers == ()


def test_a_worker_that_denies_everything_makes_nothing_false() -> None:
    program = READY + (
        "while head := read(12):\n"
        "    read(int.from_bytes(head[8:], 'big'))\n"
        "    say(head[:8] + (64).to_bytes(4, 'big') + bytes(64))\n"
    )
    with Verifier(program) as running:
        for first in (0, 64):
            claims = claims_of(64, tampered=frozenset({7}), first=first)
            running.ahead.expect(claims)
            running.agrees(claims)
        assert running.log.said == []


def test_a_worker_that_always_answers_just_in_time_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer takes less than may be waited for it, and all together would take six times that."""
    monkeypatch.setattr(the_module, "VERIFY_WAIT_MS_MAX", 250)
    program = READY + (
        "while head := read(12):\n"
        "    read(int.from_bytes(head[8:], 'big'))\n"
        "    time.sleep(0.19)\n"
        "    say(head[:8] + (64).to_bytes(4, 'big') + b'\\1' * 64)\n"
    )
    monkeypatch.setattr(the_module, "VERIFY_JOB_SIGNATURES", 64)
    with Verifier(program) as running:
        claims = claims_of(512)
        running.ahead.expect(claims)
        running.agrees(claims)
        assert len(running.log.said) == 1
        assert running.ahead.workers == ()


def test_a_worker_that_cannot_be_started_is_none() -> None:
    log = Log()

    def start() -> WorkerProcess:
        raise OSError(12, "Cannot allocate memory")

    verifier = AheadVerifier(2, log=log, start=start)
    claims = claims_of(64, tampered=frozenset({7}))
    for _ in range(3):
        verifier.expect(claims)
        assert [verifier(*claim) for claim in claims] == [verify(*claim) for claim in claims]
    assert log.said == ["verify_worker_lost: it could not be started: Cannot allocate memory"]


# ---- the end


def test_jobs_in_flight_do_not_outlive_their_node() -> None:
    with Verifier() as running:
        (pid,) = running.ahead.workers
        claims = claims_of(2_000, tampered=frozenset({1_999}))
        running.ahead.expect(claims)
        running.ahead.close()
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        running.agrees(claims[-100:])
        running.ahead.expect(claims)
        assert (running.ahead.workers, running.ahead.waiting, running.log.said) == ((), 0, [])


def test_a_worker_ends_with_its_node() -> None:
    claims = Claims()
    for claim in claims_of(3, tampered=frozenset({1})):
        claims.claim(*claim)
    job = worker.HEAD.pack(1, len(claims.job())) + claims.job()
    whole = worker.HEAD.pack(0, 0) + worker.HEAD.pack(1, 3) + b"\1\0\1"
    for cut, expected in ((len(job), whole), (len(job) - 1, whole[:12]), (5, whole[:12]), (0, whole[:12])):
        answers = io.BytesIO()
        worker.serve(io.BytesIO(job[:cut]), answers)
        assert answers.getvalue() == expected


@pytest.mark.parametrize(("cores", "workers"), [(1, 0), (2, 2), (8, 8), (96, 8)])
def test_there_is_a_worker_for_each_core_within_reason(
    monkeypatch: pytest.MonkeyPatch, cores: int, workers: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert the_module.default_workers() == workers
