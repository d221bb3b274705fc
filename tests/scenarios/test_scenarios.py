"""The scripted clusters of this directory: each `.txt` file is a story (the language is in `driver`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.driver import script

STORIES = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path) -> None:
    script.run(path)


def test_every_story_says_what_it_is_about() -> None:
    assert STORIES
    for path in STORIES:
        assert path.read_text().startswith("# "), path.name
