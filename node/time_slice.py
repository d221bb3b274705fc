"""How long Linux lets a node compute before another process that waits has its core: as long as it offers.

A node that comes back to its core finds its objects, megabytes of them, gone from the core's caches; to fetch them
again takes some 0.4 ms. An ordinary process is given a few milliseconds at a time, so validators that share cores spend
a tenth of their time on that. Linux takes wishes for another slice since 6.12: the field `sched_runtime` of
`sched_setattr`, 0.1 to 100 ms for ordinary processes. What part of a core a process gets does not change, and a process
with a shorter slice that wakes up goes first (sched_setattr(2), sched(7); P. Zijlstra, "sched/eevdf: Use
sched_attr::sched_runtime to set request/slice suggestion", 2024).

Python knows no slices (`os.sched_setscheduler`), and no library for it does, so the call is made by its number.
"""

from __future__ import annotations

import ctypes
import platform
import sys

from ledger.limits import TIME_SLICE_MS

_ORDINARY = frozenset({0, 3})  # SCHED_OTHER, SCHED_BATCH: an operator who chose another policy meant it
_CALLS = {"x86_64": (314, 315), "aarch64": (274, 275), "riscv64": (274, 275)}  # sched_setattr, sched_getattr
_NANOSECONDS = 1_000_000


class _Attributes(ctypes.Structure):
    """`struct sched_attr` (include/uapi/linux/sched/types.h) in its first version, which every kernel takes."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def ask_for_long_time_slices() -> None:
    """Ask for slices of TIME_SLICE_MS for this thread, and for threads and processes that it starts from now on.

    It is a wish: another system, or a kernel that is older or forbids the call, goes on as before, and so does a
    process with another policy than the ordinary ones. Nothing else about the thread changes.
    """
    calls = _CALLS.get(platform.machine()) if sys.platform == "linux" else None
    if calls is None:
        return
    set_attributes, get_attributes = calls
    call = ctypes.CDLL(None).syscall
    call.restype, call.argtypes = ctypes.c_long, (ctypes.c_long, ctypes.c_long, ctypes.c_void_p)
    attributes = _Attributes()
    size, flags, this_thread = ctypes.c_long(ctypes.sizeof(attributes)), ctypes.c_long(0), 0
    if call(get_attributes, this_thread, ctypes.byref(attributes), size, flags) != 0:
        return
    if attributes.policy in _ORDINARY:
        attributes.runtime = TIME_SLICE_MS * _NANOSECONDS
        call(set_attributes, this_thread, ctypes.byref(attributes), flags)
