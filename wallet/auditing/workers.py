"""The processes that verify signatures for an audit: jobs go in, answers come out, or the process is lost.

Each process has a thread here that talks to it, so the event loop waits for none. One that ends, or does not get on
with what it has for so long that it hangs, is ended; what it had is not answered, so that it counts as not verified
(`ledger.claims`), and the others go on. A process is not replaced: what ended it might end the next.
"""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ledger.limits import AUDIT_WORKER_QUIET_SECONDS_MAX, CLAIMS_PER_JOB_MAX
from wallet.auditing.worker import HEAD

PROGRAM: Final = "from wallet.auditing.worker import main; main()"
"""What a worker runs. It is a program of its own, and imports nothing but what it needs: `multiprocessing` would have
it import the whole command again."""

_BEGIN: Final = "import sys; sys.path[:] = sys.argv[1:]; "

_LOOKS: Final = 10
"""In how many looks the time is counted for which a worker may be quiet. What passes between two counts as no more than
it should, so that an audit that was itself stopped, or had much to do, does not take its workers for hanging."""

_JOBS_AHEAD_MAX: Final = 2  # that a worker has at once, so that it need not wait for the next


@dataclass(frozen=True, slots=True)
class _Task:
    job: bytes
    count: int
    answered: asyncio.Future[bytes]

    def settle(self, answer: bytes) -> None:
        """Give the answer, which is empty when nobody gives one. To be called by the event loop."""
        if not self.answered.done():  # what was cancelled stays so
            self.answered.set_result(answer)


class _Worker:
    """A process and what it has. Its thread alone writes `tasks` and `steps`, the event loop the rest."""

    __slots__ = ("hangs", "looks", "process", "seen", "steps", "tasks", "thread")

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.thread: threading.Thread | None = None
        self.tasks: deque[_Task] = deque()
        self.steps = 0  # jobs that it took, and answers that it gave
        self.seen = 0  # of these, at the last look
        self.looks = 0  # in a row, at which it had something to do and did not get on
        self.hangs = False

    def gets_on(self) -> bool:
        """Whether it is not to be given up. To be asked at each look."""
        steps = self.steps
        self.looks = self.looks + 1 if self.tasks and steps == self.seen else 0
        self.seen = steps
        return self.looks < _LOOKS

    def give(self, job: bytes) -> None:
        """Send a job; waits until all of it is sent. Raises `OSError` when the process has ended."""
        jobs = self.process.stdin
        assert jobs is not None
        jobs.write(HEAD.pack(len(job)) + job)
        jobs.flush()

    def take_answer(self) -> bytes:
        """Wait for the answer to the job that was sent first and has none. Raises `EOFError` when none comes."""
        answers = self.process.stdout
        assert answers is not None
        head = answers.read(HEAD.size)
        if len(head) < HEAD.size:
            raise EOFError
        (size,) = HEAD.unpack(head)
        if size > CLAIMS_PER_JOB_MAX or len(answer := answers.read(size)) < size:
            raise EOFError
        return answer


class Workers:
    """Up to `count` processes that verify. `warn` is told of each that is lost. Used within an event loop."""

    def __init__(self, count: int, *, warn: Callable[[str], None]) -> None:
        """Start them."""
        self._warn = warn
        self._loop = asyncio.get_running_loop()
        self._tasks: queue.SimpleQueue[_Task | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._closed = False
        for _ in range(count):
            try:
                self._start()
            except OSError as error:
                warn(f"No more than {len(self._workers)} processes verify: another cannot be started: {error}.")
                break
        self._watching = self._loop.create_task(self._watch())

    def answers(self, jobs: Sequence[tuple[bytes, int]]) -> asyncio.Task[bytes]:
        """Have `jobs` verified: their answers, one after the other, each of the length that goes with its job; or
        nothing when one of them has none like that."""
        tasks = [_Task(job, count, self._loop.create_future()) for job, count in jobs]
        for task in tasks:
            self._tasks.put(task)
        if not self._workers:
            self._give_up_waiting()
        return self._loop.create_task(_joined(tasks))

    def close(self) -> None:
        """End them all."""
        self._closed = True
        self._watching.cancel()
        workers = tuple(self._workers)
        for worker in workers:
            worker.process.kill()
            self._tasks.put(None)
        for worker in workers:
            self._end(worker)
        self._give_up_waiting()

    def _start(self) -> None:
        # A new program, and no copy of this process, which has an event loop. Raises `OSError`.
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            [sys.executable, "-I", "-c", _BEGIN + PROGRAM, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        worker = _Worker(process)
        self._workers.append(worker)
        worker.thread = threading.Thread(target=self._talk, args=(worker,), daemon=True)
        worker.thread.start()

    def _talk(self, worker: _Worker) -> None:
        """Hand jobs to a worker and take its answers, until it is lost or there is nothing more to do."""
        with suppress(EOFError, OSError):
            while True:
                if len(worker.tasks) < _JOBS_AHEAD_MAX:
                    with suppress(queue.Empty):
                        task = self._tasks.get(block=not worker.tasks)
                        if task is None:
                            break
                        worker.tasks.append(task)
                        worker.give(task.job)
                        worker.steps += 1
                        continue
                answer = worker.take_answer()
                worker.steps += 1
                self._loop.call_soon_threadsafe(worker.tasks.popleft().settle, answer)
        self._loop.call_soon_threadsafe(self._lose, worker)

    async def _watch(self) -> None:
        """End workers that hang: their threads see it."""
        while True:
            await asyncio.sleep(AUDIT_WORKER_QUIET_SECONDS_MAX / _LOOKS)
            for worker in self._workers:
                if not worker.gets_on():
                    worker.hangs = True
                    worker.process.kill()

    def _lose(self, worker: _Worker) -> None:
        """What is left to be done when a worker's thread has ended."""
        if self._closed:
            return
        self._workers.remove(worker)
        self._end(worker)
        why = f"did not answer for {AUDIT_WORKER_QUIET_SECONDS_MAX} s and was ended" if worker.hangs else "ended"
        left = len(self._workers)
        self._warn(
            f"A process that verified for the audit {why}; the audit verifies itself what that process had, and goes "
            f"on with {left or 'no'} {'other' if left == 1 else 'others'}: it is slower, and leaves nothing out. If "
            "memory is short, give a smaller --workers."
        )
        if not left:
            self._give_up_waiting()

    def _give_up_waiting(self) -> None:
        """Nobody is left who could answer."""
        with suppress(queue.Empty):
            while True:
                task = self._tasks.get_nowait()
                if task is not None:
                    task.settle(b"")

    def _end(self, worker: _Worker) -> None:
        """End a worker. What it had is not answered."""
        worker.process.kill()
        worker.process.wait()
        assert worker.thread is not None
        worker.thread.join()
        for pipe in (worker.process.stdin, worker.process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not sent to it
                pipe.close()
        for task in worker.tasks:
            task.settle(b"")


async def _joined(tasks: Sequence[_Task]) -> bytes:
    answers = [await task.answered for task in tasks]
    if any(len(answer) != task.count for task, answer in zip(tasks, answers, strict=True)):
        return b""
    return b"".join(answers)
