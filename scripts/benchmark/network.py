"""The network that is measured: validators as processes of their own with fresh directories, and what sends to them."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmark.load import Load
from ledger.parameters import Parameters
from node.devnet import START, Layout, Processes, found
from node.identity import load_signing_key

VALIDATORS = 4


@dataclass(frozen=True, slots=True)
class Network:
    """Validators that run. `load` has a source of transactions for their chain."""

    layout: Layout
    processes: Processes
    load: Load

    @property
    def urls(self) -> list[str]:
        """The API of each validator."""
        return [self.url(index) for index in range(self.layout.validators)]

    def url(self, index: int) -> str:
        """The API of one."""
        return f"http://{self.layout.api(index)}"

    @property
    def pids(self) -> list[int]:
        """The process of each validator, as last started."""
        return [self.pid(index) for index in range(self.layout.validators)]

    def pid(self, index: int) -> int:
        """The process of one."""
        return int((self.layout.validator_home(index) / "node.pid").read_text())


@contextmanager
def running(
    base_port: int,
    *,
    validators: int = VALIDATORS,
    parameters: Parameters | None = None,
    command: Sequence[str] = START,
    prepare: Callable[[Layout], None] | None = None,
) -> Iterator[Network]:
    """A new network, started with `command` and the home of each; everything is gone afterwards.

    `prepare` is called when its files are made and none has started.
    """
    with tempfile.TemporaryDirectory(prefix="quorum-bench-") as directory:
        layout = Layout(Path(directory) / "network", validators, base_port)
        genesis = found(layout, None, parameters or Parameters())
        if prepare is not None:
            prepare(layout)
        with Processes(layout, command) as processes:
            processes.start()
            urls = [f"http://{layout.api(index)}" for index in range(validators)]
            load = Load(genesis.chain, load_signing_key(layout.home / "council.pem"), urls)
            yield Network(layout, processes, load)
