"""What a process that verifies for an audit does: read a job, verify it, answer, until the pipe is closed.

    job      bytes (u32, big endian) | a job of `ledger.claims`          from standard input
    answer   bytes (u32, big endian) | its answer                        to standard output, in the order of jobs

It imports next to nothing: each of them pays for that first. Started by `wallet.auditing.workers`.
"""

from __future__ import annotations

import gc
import signal
import struct
import sys
from collections.abc import Callable
from typing import BinaryIO, Final, TypeAlias

from ledger import claims, crypto

HEAD: Final = struct.Struct(">I")

Verifying: TypeAlias = Callable[[bytes], bytes]
"""Gives the answer to a job: `ledger.claims.answer`."""


def main(verifying: Verifying = claims.answer) -> None:
    """Work until there is nothing to read any more."""
    # Interrupts are for the audit, which ends its workers; when it could not, they end with its pipes, and say nothing.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    crypto.self_test()  # here as in the audit: with a library that accepts other signatures it is none
    gc.freeze()
    serve(sys.stdin.buffer, sys.stdout.buffer, verifying)


def serve(jobs: BinaryIO, answers: BinaryIO, verifying: Verifying) -> None:
    """Answer each of `jobs`, in order. Returns at the end of them."""
    while len(head := jobs.read(HEAD.size)) == HEAD.size:
        (size,) = HEAD.unpack(head)
        job = jobs.read(size)
        if len(job) < size:
            return
        answer = verifying(job)
        answers.write(HEAD.pack(len(answer)) + answer)
        answers.flush()
