"""The wish for long time slices, as the kernel itself tells of it (/proc/PID/sched), and what stays as it was."""

from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ledger.limits import TIME_SLICE_MS
from node import time_slice

_BEGIN = "import os, re\nfrom node.time_slice import ask_for_long_time_slices\n"
_ASK = "ask_for_long_time_slices()\n"
_SAY = """
slice = re.search(r"se\\.slice\\s*:\\s*(\\d+)", open("/proc/self/sched").read())
print(slice and slice[1], os.sched_getscheduler(0), os.nice(0))
"""


def _said(program: str) -> list[str]:
    """The slice in ns, the policy and the nice value that a process has in the end."""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return ended.stdout.split()


def _takes_wishes() -> bool:
    """Whether this kernel is new enough, and tells."""
    version = re.match(r"(\d+)\.(\d+)", platform.release())
    told = Path("/proc/self/sched")
    return (
        sys.platform == "linux"
        and version is not None
        and (int(version[1]), int(version[2])) >= (6, 12)
        and told.exists()
        and "se.slice" in told.read_text()
    )


needs_wishes = pytest.mark.skipif(not _takes_wishes(), reason="this kernel takes no wishes for time slices")


@needs_wishes
@pytest.mark.parametrize(
    "before",
    ["", "os.nice(5)\n", "os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))\n"],
    ids=["ordinary", "nice", "batch"],
)
def test_the_slice_is_long_and_nothing_else_changes(before: str) -> None:
    _, *rest = _said(_BEGIN + before + _SAY)
    assert _said(_BEGIN + before + _ASK + _SAY) == [str(TIME_SLICE_MS * 1_000_000), *rest]


@needs_wishes
def test_another_policy_was_meant() -> None:
    before = "os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))\n"
    assert _said(_BEGIN + before + _ASK + _SAY) == _said(_BEGIN + before + _SAY)


@pytest.mark.parametrize(("system", "machine"), [("linux", "sparc64"), ("darwin", "x86_64")])
def test_where_the_call_is_unknown_none_is_made(monkeypatch: pytest.MonkeyPatch, system: str, machine: str) -> None:
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(time_slice.ctypes, "CDLL", lambda _: pytest.fail("a call of the system"))
    time_slice.ask_for_long_time_slices()


def test_a_system_that_forbids_it_is_no_reason_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    class Forbids:
        @staticmethod
        def syscall(number: int, *_: object) -> int:
            asked.append(number)
            return -1

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(time_slice.ctypes, "CDLL", lambda _: Forbids)
    time_slice.ask_for_long_time_slices()
    assert asked == [315]
