"""All flips of all bytes of the files of a data directory, divided into slices that are each a sample of all files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bit_rot.directory import Made, made
from tests.bit_rot.judging import Wrong, judge, whole
from tests.campaigns.campaign import Outcome

SLICES = 1_000
"""Slice s has the bytes number s, s + SLICES, s + 2 SLICES … of all files, joined in the order of their names."""

_NOT_READ = ("LOCK", "LOG", "LOG.old")  # an empty file, and LevelDB's diary


@dataclass(frozen=True, slots=True)
class Flip:
    """One byte of one file, changed by `mask` (exclusive or)."""

    file: str
    position: int
    mask: int


def files_of(directory: Made) -> dict[str, bytes]:
    """The files that a start reads, by their names under the directory, and what is in them."""
    paths = [path for path in sorted(directory.path.rglob("*")) if path.is_file() and path.name not in _NOT_READ]
    return {str(path.relative_to(directory.path)): path.read_bytes() for path in paths}


def flips(files: dict[str, bytes], wanted: Iterable[int]) -> Iterator[Flip]:
    """Both flips of the bytes with these numbers: all bits, and one bit, another one for each byte."""
    places = [(file, position) for file, data in files.items() for position in range(len(data))]
    for number in wanted:
        file, position = places[number]
        yield Flip(file, position, 0xFF)
        yield Flip(file, position, 1 << position % 8)


def byte_count(files: dict[str, bytes]) -> int:
    """How many bytes there are."""
    return sum(map(len, files.values()))


def run_flips(chosen: Iterable[Flip]) -> Outcome:
    """Judge these flips: counts by kind of file and fate, and what was wrong."""
    directory = made()
    files = files_of(directory)
    counts: Counter[str] = Counter()
    violations: list[str] = []
    with TemporaryDirectory(dir=directory.path.parent, prefix="bit-rot-copy-") as scratch:
        truth = whole(directory, Path(scratch))
        for flip in chosen:
            data = bytearray(files[flip.file])
            data[flip.position] ^= flip.mask
            try:
                fate = judge(directory, truth, Path(scratch), flip.file, bytes(data))
            except Wrong as error:
                violations.append(f"{flip}: {error}")
                continue
            counts[f"{kind_of(flip.file)}: {fate}"] += 1
            counts["flips"] += 1
    return Outcome(dict(sorted(counts.items())), {}, tuple(violations))


def run_slices(first: int, last: int) -> Outcome:
    """Judge the slices from `first` to `last` - 1."""
    files = files_of(made())
    numbers = [n for slice_ in range(first, last) for n in range(slice_, byte_count(files), SLICES)]
    return run_flips(flips(files, numbers))


def kind_of(file: str) -> str:
    """What a file is, without its number."""
    name = Path(file).name
    if name.endswith(".ldb"):
        return "table"
    if name.endswith(".log"):
        return "log"
    return "MANIFEST" if name.startswith("MANIFEST") else name
