"""What the composition root refuses to run with."""

from __future__ import annotations

import subprocess
import sys


def test_it_does_not_run_without_assertions() -> None:
    script = "import node.app; node.app.run(None)"
    ended = subprocess.run([sys.executable, "-O", "-c", script], capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "assertions are off" in ended.stderr
