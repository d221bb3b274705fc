"""Killing a mutant: in a process that is made for it and ends with it."""

from __future__ import annotations

import multiprocessing
import os
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from tests.mutants.killers import Killer, Seen, Simulated, ask
from tests.mutants.mutant import Mutant, become

_PATIENCE_S = 200
"""A mutant that is neither seen nor done by then hangs: what watches it should have a bound of its own."""


@dataclass(frozen=True, slots=True)
class Kill:
    """How a mutant was seen by a killer, in seconds of processor time; `seen` is None where it survived."""

    mutant: Mutant
    killer: Killer
    seen: Seen | None
    cpu_s: float


def kill(mutant: Mutant, killer: Killer) -> Kill:
    """Let the killer see the mutant.

    Raises `AssertionError` when something else sees it, or when a simulated run goes wrong without the mutant as well.
    """

    def act() -> tuple[Seen | None, float]:
        become(mutant)
        started_s = time.process_time()
        return ask(killer), time.process_time() - started_s

    seen, cpu_s = apart(act)
    if seen is not None and isinstance(killer, Simulated):
        apart(lambda: killer.run(int(seen.after.split()[1])))
    return Kill(mutant, killer, seen, cpu_s)


def apart(act: Callable[[], Any]) -> Any:
    """What `act` returns in a process of its own, which has all that is known here. Raises `AssertionError`."""
    here, there = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_answer, args=(there, act))
    process.start()
    there.close()
    try:
        answered = here.poll(_PATIENCE_S)
        result = here.recv() if answered else None
    except EOFError:
        result = None
    finally:
        process.kill()
        process.join()
    assert result is not None, "the process of the mutant ended, or hung, without an answer"
    good, value = result
    if not good:
        raise AssertionError(value)
    return value


def _answer(there: Connection, act: Callable[[], Any]) -> None:
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        there.send((True, act()))
    except BaseException:
        there.send((False, traceback.format_exc()))
    there.close()
    os._exit(0)  # nothing of this process may run any more, least of all what is registered for the end of its parent's
