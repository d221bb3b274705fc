"""Who has a place, and whose it becomes when all are taken."""

from __future__ import annotations

from node.places import Places


def crowd(text: str, **bounds: int) -> tuple[list[str], Places[str]]:
    """Everybody of `text` comes in turn, by an address and a name (`a1`). Those who did not get in or were ousted."""
    out: list[str] = []
    places = Places[str](
        **{"total_max": 4, "per_address_max": 3, **bounds}, oust=lambda holder: out.append(f"-{holder}")
    )
    for name in text.split():
        if not places.take(name[0], name):
            out.append(name)
    return out, places


def test_places() -> None:
    for text, expected in {
        "a1 b1 c1 d1": "",
        "a1 a2 a3 a4": "a4",
        "a1 a2 a3 b1 b2": "-a1",
        "a1 a2 a3 b1 b2 b3": "-a1 b3",
        "a1 a2 a3 b1 c1 d1": "-a1 -a2",
        "a1 b1 c1 d1 e1 f1": "-a1 -b1",
        "a1 b1 c1 d1 a2": "a2",
    }.items():
        out, places = crowd(text)
        assert " ".join(out) == expected, text
        assert places.total == min(4, len(text.split()) - out.count("a4"))


def test_a_place_is_given_back_once() -> None:
    _, places = crowd("a1 a2 a3 b1 b2")
    places.give_back("a", "a1")
    assert places.total == 4, "it was ousted before"
    for name in ("a2", "a2", "a3", "b1", "b2"):
        places.give_back(name[0], name)
    assert places.total == 0
