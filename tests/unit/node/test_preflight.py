"""What is looked at before a node starts: here, how many files it may have open."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from node.preflight import OPEN_FILES, allow_open_files


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """The limits of this process, restored afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_low_limit_is_raised_as_far_as_it_may_be(limits: tuple[int, int]) -> None:
    """Else clients that connect take the files that the database needs, and without them the node ends."""
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    allowed = allow_open_files()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (allowed, hard)
    assert allowed == (OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard))


def test_a_high_limit_stays(limits: tuple[int, int]) -> None:
    _, hard = limits
    high = OPEN_FILES + 1
    if hard != resource.RLIM_INFINITY and hard < high:
        pytest.skip("this machine allows no more files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (high, hard))
    assert allow_open_files() == high
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (high, hard)


def test_the_limit_of_the_system_is_not_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 512))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: asked.append(limits))
    assert allow_open_files() == 512
    assert asked == [(512, 512)]
