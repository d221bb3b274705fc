"""What a process that verifies for an audit does. It imports next to nothing: each of them pays for that first."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeAlias

from ledger import crypto

Verifying: TypeAlias = Callable[[bytes], bytes]
"""Gives the answer to a job: `ledger.claims.answer`. It must be possible to import it by its name."""


def serve(jobs: Connection, verifying: Verifying) -> None:
    """Answer each job that comes, in order, until there are no more."""
    _begin()
    while True:
        try:
            job = jobs.recv_bytes()
        except EOFError:
            return
        jobs.send_bytes(verifying(job))


def _begin() -> None:
    """Leave interrupts to the audit, which ends its workers, and end with it even when it could not do that."""
    crypto.self_test()  # here as in the audit: with a library that accepts other signatures it is none
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    audit = multiprocessing.parent_process()
    assert audit is not None, "a worker has been started by somebody"

    def end_with_it() -> None:
        audit.join()
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
