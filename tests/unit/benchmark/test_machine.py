"""What a validator used is what it and its workers used."""

from __future__ import annotations

import os
import subprocess
import sys

from benchmark import machine

_BUSY = "import time\nwhile time.process_time() < 0.3: pass\nprint('done', flush=True)\ninput()"


def test_the_work_and_memory_of_a_worker_are_its_parents_while_it_runs_and_afterwards() -> None:
    before, alone = machine.usage([os.getpid()]), machine.own_memory_bytes(os.getpid())
    worker = subprocess.Popen([sys.executable, "-c", _BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with worker:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "done\n"
        running = machine.usage([os.getpid()]).since(before)
        assert machine.own_memory_bytes(os.getpid()) > alone
        worker.communicate("\n")
    ended = machine.usage([os.getpid()]).since(before)
    assert 0.25 < running.validators < ended.validators + 0.025, "in ticks of 10 ms, of four clocks"
