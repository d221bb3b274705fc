"""The command behind `scripts/fuzz`: each target in a process of its own, which libFuzzer ends."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.fuzz.bounds import feed_counted
from tests.fuzz.target import Target
from tests.fuzz.targets import all_targets

CHECKOUT = Path(__file__).resolve().parents[2]


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments name. Returns 1 when something was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    names = [target.name for target in all_targets()]
    parser.add_argument("--target", action="append", choices=names, default=[], metavar="NAME")
    parser.add_argument("--seconds", type=int, default=10, help="for each target")
    parser.add_argument("--list", action="store_true", help="the names of all targets")
    parser.add_argument("--input", type=Path, help="feed this file, once")
    parser.add_argument("--found", type=Path, default=Path("fuzz-findings"), help="where findings are kept")
    chosen = parser.parse_args(arguments)
    if chosen.list:
        print("\n".join(names))
        return 0
    targets = [target for target in all_targets() if not chosen.target or target.name in chosen.target]
    if chosen.input is not None:
        for target in targets:
            feed_counted(target, chosen.input.read_bytes())
        return 0
    found = [target.name for target in targets if not _fuzz(target, chosen.seconds, chosen.found)]
    print(f"{len(targets)} targets, {chosen.seconds} s each; {len(found)} with findings: {', '.join(found) or 'none'}")
    return 1 if found else 0


def _fuzz(target: Target, seconds: int, found: Path) -> bool:
    """Whether nothing is found in a target."""
    found.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as corpus:
        for number, data in enumerate(target.examples()):
            (Path(corpus) / f"example-{number}").write_bytes(data)
        prefix = f"{found.resolve()}/{re.sub('[^a-z0-9]+', '-', target.name.lower())}-"
        options = [corpus, f"-max_total_time={seconds}", f"-artifact_prefix={prefix}", "-print_final_stats=1"]
        command = [sys.executable, "-m", "tests.fuzz.steered", target.name, *options]
        ended = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, errors="replace", check=False)
    said = ended.stdout + ended.stderr
    runs = re.search(r"number_of_executed_units: (\d+)", said)
    edges = re.findall(r"cov: (\d+)", said)
    holds = ended.returncode == 0
    print(
        f"{target.name:<40} {runs[1] if runs else '?':>9} runs, {edges[-1] if edges else '?':>6} places reached  "
        f"{'holds' if holds else 'FOUND SOMETHING'}",
        flush=True,
    )
    if not holds:
        print("\n".join(said.splitlines()[-40:]))
    return holds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
