"""Names, widths and bundles, by the examples of https://c2sp.org/tlog-tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.log.tiles import TILE_WIDTH, TileName, encode_bundle, parse_bundle, parse_tile_name, tile_width


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("000", TileName(0, 256)),
        ("999", TileName(999, 256)),
        ("x001/000", TileName(1000, 256)),
        ("x001/x234/067", TileName(1_234_067, 256)),
        ("x001/x234/067.p/8", TileName(1_234_067, 8)),
        ("x001/x000/000.p/255", TileName(1_000_000, 255)),
        ("x999/x999/x999/x999/x999/999", TileName(10**18 - 1, 256)),
    ],
)
def test_a_number_has_one_path(path: str, name: TileName) -> None:
    assert parse_tile_name(path) == name
    assert name.encode() == path


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "0",
            "00",
            "0000",
            "1000",
            "x000/000",
            "x001",
            "001/000",
            "x001/x000",
            "000.p/0",
            "000.p/256",
            "000.p/01",
        ),
        *("000.p/", "000.p", "000.p/999", "/000", "000/", "x1/000", "X001/000", "000.P/1", "-01", "٠٠٠", "000\n"),
        *("x000/x001/000", "x001/x000/x000/x000/x000/x000/000", "000.p/1/", "000.p/-1", " 000"),
    ],
)
def test_any_other_path_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_tile_name(path)


@given(st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_names_and_paths_are_the_same_thing(index: int, width: int) -> None:
    assert parse_tile_name(TileName(index, width).encode()) == TileName(index, width)


@pytest.mark.parametrize(
    ("size", "tiles"),
    [
        (70_000, {(0, 272): 256, (0, 273): 112, (0, 274): 0, (1, 0): 256, (1, 1): 17, (2, 0): 1, (2, 1): 0, (3, 0): 0}),
        (256, {(0, 0): 256, (0, 1): 0, (1, 0): 1, (2, 0): 0}),
        (255, {(0, 0): 255, (1, 0): 0}),
        (0, {(0, 0): 0, (63, 0): 0}),
        (2**53 - 1, {(63, 0): 0, (6, 0): 31, (6, 1): 0, (5, 31): 255}),
    ],
)
def test_a_size_has_tiles_of_these_widths(size: int, tiles: dict[tuple[int, int], int]) -> None:
    assert {name: tile_width(*name, size) for name in tiles} == tiles


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries)) == tuple(entries)


def test_a_bundle_that_is_cut_short_or_too_long_is_refused() -> None:
    whole = encode_bundle([b"one", b"two"])
    for length in set(range(len(whole))) - {0, 5}:
        with pytest.raises(MalformedError):
            parse_bundle(whole[:length])
    with pytest.raises(MalformedError):
        parse_bundle(encode_bundle([b""] * (TILE_WIDTH + 1)))
