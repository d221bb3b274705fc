"""GET /metrics: what the node is doing, in the Prometheus text format, from a registry of its own.

Most of it is read from the node when somebody asks (a collector), so nothing is counted per transaction. Names have one
prefix, base units and `_total` for counters (prometheus.io, "Metric and label naming").
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from node.http.allowance import Allowance
from node.http.face import NodeFace
from node.http.version import VERSION

_SECONDS_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)


class Metrics:
    """The registry of one application."""

    def __init__(self, node: NodeFace, *, streams: Allowance, waits: Allowance) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._durations = Histogram(
            "ledger_http_request_duration_seconds",
            "Time from a request's headers to its answer; of an event stream, its length.",
            ("route", "method", "status"),
            buckets=_SECONDS_BUCKETS,
            registry=self._registry,
        )
        self._observers: dict[tuple[str, str, int], Histogram] = {}
        self._registry.register(_NodeCollector(node, streams=streams, waits=waits))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count one answered request. `route` is a declared path, never what a client sent."""
        key = (route, method, status)
        observer = self._observers.get(key)
        if observer is None:
            observer = self._observers[key] = self._durations.labels(route, method, str(status))
        observer.observe(seconds)

    def exposition(self) -> tuple[bytes, str]:
        """The text of all metrics as of now, and its media type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


class _NodeCollector(Collector):
    """Reads the node's own figures at the moment of a scrape."""

    def __init__(self, node: NodeFace, *, streams: Allowance, waits: Allowance) -> None:
        self._node = node
        self._streams = streams
        self._waits = waits

    def collect(self) -> Iterator[Metric]:
        """The metric families of the node."""
        yield from self._consensus()
        yield from self._network()
        yield from self._verification()
        yield InfoMetricFamily(
            "ledger_build", "The software and the chain it serves.", value={"version": VERSION, **self._chain_labels()}
        )

    def _chain_labels(self) -> dict[str, str]:
        genesis = self._node.queries.chain.genesis
        return {"chain": genesis.chain.hex(), "network": genesis.network}

    def _consensus(self) -> Iterator[Metric]:
        status, chain = self._node.status(), self._node.queries.chain
        tip = chain.tip.header
        yield _gauge("ledger_consensus_height", "Height of the newest block.", tip.height)
        yield _gauge("ledger_consensus_block_time_seconds", "Ledger time of the newest block.", tip.time_ms / 1_000)
        yield _gauge("ledger_consensus_round", "Round of the height that is being decided.", status.round)
        yield _gauge("ledger_consensus_validators", "Validators in force.", len(status.validators))
        yield _gauge("ledger_consensus_quorum", "Signatures that a block needs.", status.quorum)
        yield _gauge(
            "ledger_consensus_missing_validators",
            "Validators without a vote in the current round.",
            len(status.missing),
        )
        yield _gauge(
            "ledger_consensus_byzantine_evidence", "Contradictory signatures seen and kept.", status.evidence_count
        )
        damage = status.damage
        yield _gauge("ledger_storage_damaged_blocks", "Blocks that are damaged on the disk.", len(damage.blocks))
        yield CounterMetricFamily(
            "ledger_storage_replaced_blocks", "Damaged blocks that were put back from peers.", value=damage.replaced
        )
        yield _gauge(
            "ledger_storage_rebuild",
            "1 when the database is damaged beyond that, and is being made anew or waits for it.",
            damage.elsewhere is not None or damage.archived_height is not None,
        )
        role = GaugeMetricFamily("ledger_consensus_role", "1 for the role that the node has.", labels=["role"])
        role.add_metric([status.role.value], 1)
        yield role
        signed = GaugeMetricFamily(
            "ledger_consensus_validator_last_signed_height",
            "Newest block whose certificate, as stored here, has the validator's signature.",
            labels=["validator"],
        )
        for name in status.validators:
            signed.add_metric([name], chain.last_signed_height(name) or 0)
        yield signed
        published = self._node.checkpoint()
        yield _gauge(
            "ledger_checkpoint_height",
            "Block of the newest checkpoint of the log with a quorum of cosignatures; 0 before there is one.",
            0 if published is None else published.height,
        )
        yield _gauge(
            "ledger_checkpoint_cosignatures",
            "Validators that have cosigned it, as far as this node has their cosignatures.",
            0 if published is None else len(published.note.signatures) - 1,
        )
        yield CounterMetricFamily("ledger_transactions", "Transactions in the chain.", value=tip.log_size)
        yield _gauge("ledger_mempool_transactions", "Transactions waiting for a block.", status.mempool_transactions)
        yield _gauge("ledger_mempool_bytes", "Bytes of the envelopes waiting for a block.", status.mempool_bytes)

    def _network(self) -> Iterator[Metric]:
        status = self._node.status()
        yield _gauge("ledger_p2p_peers", "Connected peers.", len(status.peers))
        heights = GaugeMetricFamily(
            "ledger_p2p_peer_height", "Height that the peer says it is deciding.", labels=["peer", "validator"]
        )
        for peer in status.peers:
            heights.add_metric([peer.peer, peer.validator or ""], peer.height)
        yield heights
        yield _gauge("ledger_http_event_streams", "Open event streams.", self._streams.total)
        yield _gauge("ledger_http_waits", "Requests waiting for outcomes.", self._waits.total)

    def _verification(self) -> Iterator[Metric]:
        workers = self._node.workers()
        yield _gauge(
            "ledger_verification_workers_configured",
            "Processes that verify signatures, as many as are wanted.",
            workers.configured,
        )
        yield _gauge(
            "ledger_verification_workers_running", "Those that run; they start when there is work.", workers.running
        )
        yield CounterMetricFamily(
            "ledger_verification_workers_lost", "Those that ended, hung, or could not be started.", value=workers.lost
        )
        yield CounterMetricFamily(
            "ledger_verification_signatures", "Signatures that these processes looked at.", value=workers.verified
        )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
