"""What the composition root refuses to run with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from unittest.mock import AsyncMock, patch

import pytest

from node import app
from node.config import Endpoint, load
from node.home import HomeError, alone_in, make_follower_home
from node.storage.errors import DamagedError, DatabaseDamagedError, StorageError


def test_it_does_not_run_without_assertions() -> None:
    script = "import node.app; node.app.run(None)"
    ended = subprocess.run([sys.executable, "-O", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "assertions are off" in ended.stderr


def test_it_runs_once_in_a_home_also_while_nobody_has_the_database(tmp_path: Path) -> None:
    """A node that makes its database anew has closed it: a second one with the same key must not begin on the old."""
    home, listen = tmp_path / "home", Endpoint("127.0.0.1", 9001)
    make_follower_home(home, peer_listen=listen, api_listen=listen)
    config = load(home / "node.toml")
    running = AsyncMock(return_value=0)
    with patch.object(app, "_run", running), patch.object(app, "configure"):
        with alone_in(home), pytest.raises(HomeError, match="a node that runs already"):
            app.run(config)
        assert not running.called
        assert app.run(config) == 0


@pytest.mark.parametrize("error", [DamagedError, DatabaseDamagedError])
def test_damage_that_is_met_before_the_node_runs_makes_the_database_anew(
    tmp_path: Path, error: type[StorageError]
) -> None:
    """By a read, or by a write that merged damaged files: an upgrade of the database writes before anything runs."""
    home, listen = tmp_path / "home", Endpoint("127.0.0.1", 9001)
    make_follower_home(home, peer_listen=listen, api_listen=listen)
    config = load(home / "node.toml")
    running = AsyncMock(side_effect=[error("block checksum mismatch"), 0])
    with (
        patch.object(app, "_run", running),
        patch.object(app, "_make_database_anew") as made_anew,
        patch.object(app, "configure"),
    ):
        assert app.run(config) == 0
    made_anew.assert_called_once_with(config, "block checksum mismatch")
