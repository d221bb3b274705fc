"""What a mutant is, and how a process becomes one."""

from __future__ import annotations

import inspect
import textwrap
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from tests.mutants.killers import Killer


@dataclass(frozen=True, slots=True)
class Change:
    """One text in the source of one function (`name`, or `Class.name`) of `module`, and what stands there instead.

    The function is indented as it would be by itself.
    """

    module: ModuleType
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug, and who must see it, each of them by itself. `rows` are known failures that it brings back."""

    name: str
    changes: tuple[Change, ...]
    killers: tuple[Killer, ...]
    rows: tuple[int, ...] = ()


def become(mutant: Mutant) -> None:
    """Run the mutant instead of the original from here on: there is no way back in this process."""
    functions: dict[FunctionType, list[Change]] = {}
    for change in mutant.changes:
        functions.setdefault(_find(change), []).append(change)
    for function, changes in functions.items():
        function.__code__ = _compile(function, changes)


def _find(change: Change) -> FunctionType:
    found: Any = change.module
    for name in change.name.split("."):
        found = inspect.getattr_static(found, name)
    found = found.fget if isinstance(found, property) else found
    assert isinstance(found, FunctionType), change.name
    return found


def _compile(function: FunctionType, changes: list[Change]) -> CodeType:
    """The code of a function with all of its changes."""
    module, source = changes[0].module, textwrap.dedent(inspect.getsource(function))
    for change in changes:
        assert source.count(change.old) == 1, f"{change.name} has {source.count(change.old)} times {change.old!r}"
        source = source.replace(change.old, change.new)
    namespace: dict[str, Any] = {}
    code = compile("from __future__ import annotations\n" + source, module.__file__ or "", "exec")
    exec(code, dict(vars(module)), namespace)
    made = namespace[function.__name__]
    made = made.fget if isinstance(made, property) else made
    assert isinstance(made, FunctionType)
    return made.__code__
