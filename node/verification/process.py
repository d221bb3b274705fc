"""A worker process as the node sees it: jobs go in, answers come out in the same order, or it is lost.

Nothing here waits. What does not fit the pipe is kept until `move` is called again; how much that can be is for the
caller to bound.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections import deque
from contextlib import suppress

from ledger.limits import VERIFY_JOB_SIGNATURES, VERIFY_WORKER_BYTES_MAX
from node.verification.worker import HEAD, READY

_PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from node.verification.worker import main; main()"
_READ_BYTES = 64 * 1024
_END_SECONDS_MAX = 5.0


class WorkerLostError(Exception):
    """The worker has ended, or is of no use any more. The message says why."""


class WorkerProcess:
    """One worker. `ready` is whether it has begun."""

    def __init__(self, program: str = _PROGRAM) -> None:
        """Start it: `program` is Python, and gets the path of modules as its arguments. Raises `OSError`."""
        # A new program, and no copy of this process: it has no keys in memory and no files of the node open.
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            [sys.executable, "-I", "-c", program, *sys.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self.jobs_descriptor = self._process.stdin.fileno()
        self.answers_descriptor = self._process.stdout.fileno()
        for descriptor in (self.jobs_descriptor, self.answers_descriptor):
            os.set_blocking(descriptor, False)
        with suppress(AttributeError, OSError):  # where pipes have one size, or this user's are used up
            fcntl.fcntl(self.jobs_descriptor, fcntl.F_SETPIPE_SZ, VERIFY_WORKER_BYTES_MAX)
        self._unsent = bytearray()
        self._received = bytearray()
        self._expected: deque[tuple[int, int]] = deque([(READY, 0)])  # number, and how many signatures
        self.ready = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def unsent(self) -> bool:
        """Whether something waits for room in the pipe."""
        return bool(self._unsent)

    def send(self, number: int, count: int, job: bytes) -> None:
        """Hand it a job of `count` signatures, to be sent by `move`."""
        assert 0 < count <= VERIFY_JOB_SIGNATURES
        self._expected.append((number, count))
        self._unsent += HEAD.pack(number, len(job)) + job

    def move(self) -> list[tuple[int, bytes]]:
        """Send what there is room for, and take what has come: answers by number of job. Raises `WorkerLostError`."""
        try:
            with suppress(BlockingIOError):
                while self._unsent:
                    del self._unsent[: os.write(self.jobs_descriptor, self._unsent)]
        except OSError as error:
            raise WorkerLostError(f"it takes no more jobs: {error.strerror}") from None
        try:
            while data := os.read(self.answers_descriptor, _READ_BYTES):
                self._received += data
        except BlockingIOError:
            return self._answers()
        except OSError as error:
            raise WorkerLostError(f"its answers cannot be read: {error.strerror}") from None
        raise WorkerLostError("it has ended")

    def _answers(self) -> list[tuple[int, bytes]]:
        """The whole answers that were received. [safety] Raises `WorkerLostError` for one that is not that of the job
        that it has to answer next."""
        found = []
        while len(self._received) >= HEAD.size:
            number, size = HEAD.unpack_from(self._received)
            if not self._expected or (number, size) != self._expected[0]:
                raise WorkerLostError("it answered what it was not asked")
            if len(self._received) < HEAD.size + size:
                break
            answer = bytes(self._received[HEAD.size : HEAD.size + size])
            if answer.translate(None, b"\0\1"):
                raise WorkerLostError("an answer is neither yes nor no")
            del self._received[: HEAD.size + size]
            self._expected.popleft()
            if number == READY:
                self.ready = True
            else:
                found.append((number, answer))
        return found

    def end(self) -> None:
        """End it, whatever it is doing."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with suppress(OSError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS_MAX)
