"""What a worker process does: read a job, verify it, answer, until the pipe is closed.

    job      number (u64) | bytes (u32) | a job of `ledger.claims`          from standard input
    answer   number (u64) | bytes (u32) | its answer                        to standard output, in the order of jobs

All numbers are big endian. The first answer has number 0 and is empty: the worker is ready. Started by
`node.verification.process`; whatever goes wrong here ends the process, and the node goes on without it.
"""

from __future__ import annotations

import gc
import signal
import struct
import sys
from typing import BinaryIO, Final

from ledger import claims, crypto

HEAD: Final = struct.Struct(">QI")
READY: Final = 0
"""The number of the first answer; jobs begin with 1."""


def main() -> None:
    """Work until there is nothing to read any more."""
    for number in (signal.SIGINT, signal.SIGTERM):  # of a terminal or supervisor, for all: the node says when to stop
        signal.signal(number, signal.SIG_IGN)
    crypto.self_test()
    gc.freeze()
    serve(sys.stdin.buffer, sys.stdout.buffer)


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Answer each of `jobs`. Returns at the end of them. Raises `MalformedError` for what is no job."""
    _say(answers, READY, b"")
    while len(head := jobs.read(HEAD.size)) == HEAD.size:
        number, size = HEAD.unpack(head)
        job = jobs.read(size)
        if len(job) < size:
            return
        _say(answers, number, claims.answer(job))


def _say(answers: BinaryIO, number: int, answer: bytes) -> None:
    answers.write(HEAD.pack(number, len(answer)) + answer)
    answers.flush()
