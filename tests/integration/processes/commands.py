"""The project's commands as processes of their own, as people run them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path


async def quorum_node(*words: str, exit_code: int = 0) -> str:
    """Run a command of `quorum-node`, which must end with `exit_code`; what it prints."""
    return await _run("quorum-node", *words, exit_code=exit_code)


async def quorum_audit(*words: str, exit_code: int = 0) -> str:
    """Run a command of `quorum-audit`, which must end with `exit_code`; what it prints."""
    return await _run("quorum-audit", *words, exit_code=exit_code)


async def _run(program: str, *words: str, exit_code: int = 0) -> str:
    ended = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name(program)), *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed, _ = await ended.communicate()
    assert ended.returncode == exit_code, printed.decode()
    return printed.decode()
