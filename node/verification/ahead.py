"""`verify` with a memory that workers fill: see the package's docstring for why nothing else changes."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from ledger.claims import Claims
from ledger.crypto import verify
from ledger.limits import (
    VERIFY_AHEAD_BYTES_MAX,
    VERIFY_AHEAD_MAX,
    VERIFY_AHEAD_MIN,
    VERIFY_JOB_SIGNATURES,
    VERIFY_JOBS_MAX,
    VERIFY_RESTART_SECONDS,
    VERIFY_SIGNATURE_MS_MAX,
    VERIFY_START_SECONDS_MAX,
    VERIFY_WAIT_MS_MAX,
    VERIFY_WORKER_BYTES_MAX,
    VERIFY_WORKER_SIGNATURES_MAX,
    VERIFY_WORKERS_DEFAULT_MAX,
)
from ledger.primitives import PublicKey, Signature
from node.log import EventLog
from node.verification.process import WorkerLostError, WorkerProcess
from node.verification.status import WorkersStatus

Claim: TypeAlias = tuple[PublicKey, bytes, Signature]
"""What `verify` is asked: key, message, signature."""

_TRUE = 1
_JOB_BYTES = VERIFY_WORKER_BYTES_MAX // 8  # a job ends with the signature that reaches it


def default_workers() -> int:
    """One for each core that this process may use; none on a single one, which has enough to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 0 if cores == 1 else min(cores, VERIFY_WORKERS_DEFAULT_MAX)


@dataclass(slots=True, eq=False)
class _Job:
    """Some claims that were expected together.

    `count` are the claims and `size` the bytes of the encoded job, which is kept until a worker gets it or nobody needs
    it: it may have to wait for its turn behind others to leave the queue. `unasked`
    counts the claims that the replica has not asked for; at zero they are forgotten. `worker` has it, or it waits for
    one, or it is `settled`: answered, or given up.
    """

    number: int
    count: int
    claims: list[Claim]
    encoded: bytes
    size: int
    unasked: int
    worker: _Worker | None = None
    settled: bool = False
    answer: bytes = b""


class _Worker:
    """A process, and what is under way with it."""

    __slots__ = ("jobs", "process", "signatures", "size", "started_at")

    def __init__(self, process: WorkerProcess, started_at: float) -> None:
        self.process = process
        self.started_at = started_at
        self.jobs: dict[int, _Job] = {}
        self.signatures = 0
        self.size = 0

    def has_room(self, job: _Job) -> bool:
        """Whether it may be given `job` now; any, when it has none."""
        return self.process.ready and (
            not self.jobs
            or (
                self.signatures + job.count <= VERIFY_WORKER_SIGNATURES_MAX
                and self.size + job.size <= VERIFY_WORKER_BYTES_MAX
            )
        )


class AheadVerifier:
    """A `ledger.crypto.Verify`, to be called by one thread. `start` makes a worker, `seconds` is a monotonic clock."""

    def __init__(
        self,
        workers: int,
        *,
        log: EventLog,
        start: Callable[[], WorkerProcess] = WorkerProcess,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._wanted = workers
        self._log = log
        self._start = start
        self._seconds = seconds
        self._workers: list[_Worker] = []
        self._start_at = seconds()
        self._ahead: dict[Claim, tuple[_Job, int]] = {}  # where the answer to it will be
        self._jobs: deque[_Job] = deque()  # those with claims that were not asked for, and others; oldest first
        self._queue: deque[_Job] = deque()  # those of them that wait for a worker, and some that are settled
        self._bytes = 0  # of the jobs with claims that were not asked for
        self._numbers = 0
        self._answered = 0  # signatures, by all workers
        self._lost = 0  # workers
        self._lost_at: float | None = None
        self._late_seconds = 0.0  # that were waited for them longer than they are worth, since then
        self._late_since = self._start_at

    def __call__(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """What `ledger.crypto.verify` says."""
        found = self._ahead.pop((key, message, signature), None)
        if found is not None:
            job, index = found
            if not job.settled:
                self._settle(job)
            job.unasked -= 1
            if not job.unasked:
                self._bytes -= job.size
                job.claims, job.encoded = [], b""
                self._move()
            if job.answer and job.answer[index] == _TRUE:
                return True
        return verify(key, message, signature)  # and so is what a worker found false

    def expect(self, claims: Iterable[Claim]) -> None:
        """Have `claims`, which the replica will ask for, verified meanwhile, unless they are few."""
        new = [claim for claim in dict.fromkeys(claims) if claim not in self._ahead]
        if len(new) < VERIFY_AHEAD_MIN:
            return
        self._start_missing()
        self._move()
        if not any(worker.process.ready for worker in self._workers):
            return
        # Few are shared out among all workers.
        share = min(VERIFY_JOB_SIGNATURES, max(VERIFY_AHEAD_MIN, -(-len(new) // len(self._workers))))
        part, size = list[Claim](), 0
        for claim in new:
            part.append(claim)
            size += len(claim[1])
            if len(part) == share or size >= _JOB_BYTES:
                self._add(part)
                part, size = [], 0
        if part:
            self._add(part)
        self._move()

    def __enter__(self) -> AheadVerifier:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers. What is asked afterwards is verified here."""
        self._wanted = 0
        for worker in tuple(self._workers):
            self._drop(worker)
        self._ahead.clear()
        self._jobs.clear()
        self._queue.clear()
        self._bytes = 0

    @property
    def waiting(self) -> int:
        """How many signatures have been expected and not been asked for."""
        return len(self._ahead)

    @property
    def workers(self) -> tuple[int, ...]:
        """The process ids of the workers that are ready."""
        return tuple(worker.process.pid for worker in self._workers if worker.process.ready)

    def status(self) -> WorkersStatus:
        """How the workers are."""
        return WorkersStatus(
            configured=self._wanted,
            running=len(self.workers),
            lost=self._lost,
            lost_ago_ms=None if self._lost_at is None else int((self._seconds() - self._lost_at) * 1_000),
            verified=self._answered,
        )

    # ---- jobs

    def _add(self, claims: list[Claim]) -> None:
        """A job of these claims, at the end of the queue; the oldest jobs go when there is no room for it."""
        collected = Claims()
        for claim in claims:
            assert collected.claim(*claim), "only keys and signatures of their length are expected"
        encoded = collected.job()
        self._numbers += 1
        job = _Job(self._numbers, len(claims), claims, encoded, len(encoded), len(claims))
        for index, claim in enumerate(claims):
            self._ahead[claim] = job, index
        self._jobs.append(job)
        self._queue.append(job)
        self._bytes += job.size
        while self._jobs and (not self._jobs[0].unasked or self._crowded()):
            self._forget(self._jobs.popleft())

    def _crowded(self) -> bool:
        return (
            len(self._ahead) > VERIFY_AHEAD_MAX
            or self._bytes > VERIFY_AHEAD_BYTES_MAX
            or len(self._jobs) > VERIFY_JOBS_MAX
        )

    def _forget(self, job: _Job) -> None:
        """Nobody is expected to ask for what is left of `job`."""
        if not job.unasked:
            return
        for claim in job.claims:
            found = self._ahead.get(claim)
            if found is not None and found[0] is job:
                del self._ahead[claim]
        self._bytes -= job.size
        job.claims, job.encoded, job.unasked = [], b"", 0
        if job.worker is None:
            job.settled = True

    def _settle(self, job: _Job) -> None:
        """Wait for the answer, if a worker has the job and gives it in time; otherwise give the job up."""
        began, answered = self._seconds(), self._answered
        until = began + VERIFY_WAIT_MS_MAX / 1_000
        while job.worker is not None and not job.settled:
            left = until - self._seconds()
            if left <= 0:
                self._lose_all(f"it did not answer within {VERIFY_WAIT_MS_MAX} ms")
                break
            poll = select.poll()
            for each in self._workers:
                poll.register(each.process.answers_descriptor, select.POLLIN)
                if each.process.unsent:
                    poll.register(each.process.jobs_descriptor, select.POLLOUT)
            poll.poll(left * 1_000)
            self._move()
        job.settled = True
        now = self._seconds()
        self._note_wait(now, now - began - (self._answered - answered) * VERIFY_SIGNATURE_MS_MAX / 1_000)

    def _note_wait(self, now: float, late_seconds: float) -> None:
        """One that always answers just in time would be waited for again and again, and make every step long."""
        if now - self._late_since > VERIFY_RESTART_SECONDS:
            self._late_seconds, self._late_since = 0.0, now
        self._late_seconds += max(late_seconds, 0.0)
        if self._late_seconds > VERIFY_WAIT_MS_MAX / 1_000 and self._workers:
            self._late_seconds = 0.0
            self._lose_all(f"it takes more than {VERIFY_SIGNATURE_MS_MAX} ms for a signature")

    # ---- workers

    def _move(self) -> None:
        """Take what workers have answered, and give them what they have room for. Never waits."""
        while True:
            for worker in tuple(self._workers):
                self._exchange(worker)
            if not self._hand_out():
                return

    def _exchange(self, worker: _Worker) -> None:
        try:
            answers = worker.process.move()
        except WorkerLostError as lost:
            self._lose(worker, str(lost))
            return
        for number, answer in answers:
            job = worker.jobs.pop(number)
            worker.signatures -= job.count
            worker.size -= job.size
            job.worker, job.answer, job.settled = None, answer, True
            self._answered += job.count

    def _hand_out(self) -> bool:
        """Give the first jobs of the queue to the workers that have least to do. Returns whether there was any."""
        given = False
        while self._queue:
            job = self._queue[0]
            if job.settled or not job.unasked:
                self._queue.popleft()
                continue
            able = [worker for worker in self._workers if worker.has_room(job)]
            if not able:
                break
            worker = min(able, key=lambda item: item.signatures)
            self._queue.popleft()
            worker.process.send(job.number, job.count, job.encoded)
            worker.jobs[job.number] = job
            worker.signatures += job.count
            worker.size += job.size
            job.worker, job.encoded, given = worker, b"", True
        return given

    def _start_missing(self) -> None:
        """Start workers up to the number that is wanted, unless one was lost a moment ago."""
        now = self._seconds()
        for worker in tuple(self._workers):
            if not worker.process.ready and now - worker.started_at > VERIFY_START_SECONDS_MAX:
                self._lose(worker, f"it was not ready within {VERIFY_START_SECONDS_MAX} s")
        while len(self._workers) < self._wanted and now >= self._start_at:
            try:
                self._workers.append(_Worker(self._start(), now))
            except OSError as error:
                self._say_lost(f"it could not be started: {error.strerror}")

    def _lose(self, worker: _Worker, reason: str) -> None:
        self._drop(worker)
        self._say_lost(reason)

    def _lose_all(self, reason: str) -> None:
        """Whatever keeps one may keep the others, and one after the other would be waited for."""
        count = len(self._workers)
        for worker in tuple(self._workers):
            self._drop(worker)
        self._say_lost(reason, count)

    def _say_lost(self, reason: str, count: int = 1) -> None:
        now = self._seconds()
        self._start_at = now + VERIFY_RESTART_SECONDS
        self._lost, self._lost_at = self._lost + count, now
        self._log.warning(
            "verify_worker_lost",
            reason=reason,
            remedy="nothing is lost: signatures are verified by the node itself until another is started; if it "
            "happens again and again look for want of memory, or set verify_workers = 0",
        )

    def _drop(self, worker: _Worker) -> None:
        """End a worker. What was under way with it is given up."""
        self._workers.remove(worker)
        worker.process.end()
        for job in worker.jobs.values():
            job.worker, job.settled = None, True
