"""Where transactions stand that are about several subjects at once.

The index of a subject is a list of heights in order. The lists are walked together, each leaping to the height that
another has reached (a leapfrog join), so a rare subject makes the search for a frequent one cheap. Two frequent
subjects that never meet would still make it long: after QUERY_SEEKS_MAX leaps in vain it pauses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.limits import QUERY_SEEKS_MAX
from node.ports import Reader
from node.storage.block_rows import Place
from node.storage.indexes import subject_rows
from node.storage.keys import HEIGHT_MAX, Subject

_INDEX_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Pause:
    """The search gave up for now; it is to go on behind this place, which may be no transaction's."""

    behind: Place


def matching_places(
    reader: Reader,
    subjects: Sequence[tuple[Subject, str]],
    from_height: int,
    to_height: int,
    after: Place | None,
    *,
    reverse: bool,
) -> Iterator[Place | Pause]:
    """The places behind `after`, in order, of the transactions about all `subjects` (at least one).

    Raises `DamagedError`.
    """
    if after is not None and reverse:
        to_height = min(to_height, after.height if after.index else after.height - 1)
    elif after is not None:
        from_height = max(from_height, after.height + (after.index == _INDEX_MAX))
    if to_height < from_height:
        return
    for height, indices in _matching_heights(reader, subjects, from_height, to_height, reverse=reverse):
        if not indices:
            yield Pause(Place(height + 1, 0) if reverse else Place(height - 1, _INDEX_MAX))
            return
        for index in sorted(indices, reverse=reverse):
            place = Place(height, index)
            if after is None or (place < after if reverse else place > after):
                yield place


def _matching_heights(
    reader: Reader, subjects: Sequence[tuple[Subject, str]], from_height: int, to_height: int, *, reverse: bool
) -> Iterator[tuple[int, set[int]]]:
    """Heights with transactions about all subjects, and their indices; a height without any is where to go on."""
    if len(subjects) == 1:
        for height, row in subject_rows(reader, *subjects[0], from_height, to_height, reverse=reverse):
            yield height, set(row)
        return
    position = to_height if reverse else from_height
    agreeing = 0
    common: set[int] = set()
    seek = in_vain = 0
    while in_vain < QUERY_SEEKS_MAX:
        if not 0 <= from_height <= position <= to_height <= HEIGHT_MAX:
            return
        bounds = (from_height, position) if reverse else (position, to_height)
        found = next(subject_rows(reader, *subjects[seek % len(subjects)], *bounds, reverse=reverse), None)
        if found is None:
            return
        seek, in_vain = seek + 1, in_vain + 1
        height, row = found
        if agreeing and height == position:
            agreeing, common = agreeing + 1, common & set(row)
        else:
            position, agreeing, common = height, 1, set(row)
        if agreeing == len(subjects):
            if common:
                yield height, common
                in_vain -= agreeing  # that many it takes to find something
            position, agreeing = height - 1 if reverse else height + 1, 0
    yield position, set()
