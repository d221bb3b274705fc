"""What a watch sees, in the Prometheus exposition format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from wallet.auditing.watching import Kind, Look, Watch


class WatchMetrics:
    """Figures of every look; the labels are the nodes' URLs."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        node = ("node",)
        self._up = Gauge("quorum_watch_up", "Whether the node's newest block was seen.", node, registry=self.registry)
        self._height = Gauge("quorum_watch_height", "Height of the node's newest block.", node, registry=self.registry)
        self._time = Gauge(
            "quorum_watch_block_time_seconds", "Ledger time of that block.", node, registry=self.registry
        )
        self._wrong = Gauge(
            "quorum_watch_wrong",
            "Whether the last look found this of the node.",
            ("node", "kind"),
            registry=self.registry,
        )
        self._findings = Counter(
            "quorum_watch_findings", "How often it was found.", ("node", "kind"), registry=self.registry
        )
        self._looks = Counter("quorum_watch_looks", "Looks that a node answered.", registry=self.registry)
        self._known = Gauge(
            "quorum_watch_known_height", "Height of the newest block that all agree on.", registry=self.registry
        )

    def saw(self, watch: Watch, look: Look) -> None:
        """Take in what one look saw."""
        self._looks.inc()
        self._known.set(0 if watch.known is None else watch.known.header.height)
        found = {(finding.node, finding.kind) for finding in look.findings}
        for view in look.views:
            self._up.labels(view.url).set(view.problem is None)
            if view.problem is None:
                self._height.labels(view.url).set(view.height)
                self._time.labels(view.url).set((view.time_ms or 0) / 1000)
            for kind in Kind:
                self._wrong.labels(view.url, kind).set((view.url, kind) in found)
        for node, kind in found:
            self._findings.labels(node, kind).inc()

    def nobody_answered(self, nodes: Iterable[str]) -> None:
        """No node did."""
        for url in nodes:
            self._up.labels(url).set(0)

    @contextmanager
    def served(self, host: str, port: int) -> Iterator[None]:
        """Serve them at `http://host:port/metrics` in the block. Raises `OSError` when the port is taken."""
        server, thread = start_http_server(port, host, self.registry)
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
