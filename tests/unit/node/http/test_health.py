"""What operators ask: alive, ready, status, metrics."""

from __future__ import annotations

from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from ledger.consensus.inputs import PeerId
from node.http.health import VERSION
from node.replica import PeerStatus, Role
from node.storage.errors import StorageFailedError
from node.verification.status import WorkersStatus
from tests.unit.ledger.founders import founder
from tests.unit.node.http.conftest import Api, check_problem
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import create_stream, genesis, transaction


def peer(height: int) -> PeerStatus:
    return PeerStatus(PeerId(f"{height:064x}"), f"v{height % 4}", height, 0)


async def test_a_halted_node_is_neither_alive_nor_ready(api: Api, node: FakeNode) -> None:
    assert await api.ok("/livez") == {"alive": True}
    assert await api.ok("/readyz") == {"ready": True}
    node.role = Role.HALTED
    await api.refused("halted", 503, "/livez")
    reply = await api.refused("not_ready", 503, "/readyz")
    assert int(reply.headers["Retry-After"]) > 0


async def test_a_node_whose_storage_failed_says_so_to_whoever_still_asks(
    api: Api, node: FakeNode, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between the write that failed and the end of the process, nothing is read any more, and that is no bug."""

    def fail(*_: object, **__: object) -> None:
        raise StorageFailedError("a write to database failed: No space left on device")

    node.grow(1)
    for name in ("get", "range"):
        monkeypatch.setattr(node.chain.store, name, fail)
    for path in ("/v1/blocks/1", "/v1/blocks", "/v1/streams/notes/latest?key=a", f"/v1/transactions/{'ab' * 32}"):
        reply = await api.refused("halted", 503, path)
        assert "No space left" not in reply.body.decode(), "what is wrong with a node's disk is for its operator"
    assert "Traceback" not in caplog.text


async def test_readiness_counts_peers_and_blocks_behind(api: Api, node: FakeNode) -> None:
    node.grow(0, 0)
    node.peers = (peer(5), peer(6))  # this node is deciding height 3
    assert (await api.get("/readyz")).status == 200
    assert (await api.get("/readyz?minPeers=2&maxBlocksBehind=2")).status == 200
    reply = await api.refused("not_ready", 503, "/readyz?minPeers=3&maxBlocksBehind=1")
    assert len(reply.json["reasons"]) == 2
    node.peers = (peer(6), peer(7))
    assert (await api.refused("not_ready", 503, "/readyz")).json["reasons"] == [
        "3 blocks behind according to 2 of 2 connected validators, more than maxBlocksBehind=2"
    ]
    assert (await api.get("/readyz?maxBlocksBehind=3")).status == 200
    node.peers = ()
    assert (await api.get("/readyz?maxBlocksBehind=0")).status == 200
    check_problem(await api.get("/readyz?minPeers=-1"), "parameter_invalid", 400)
    check_problem(await api.get("/readyz?minpeers=1"), "parameter_unknown", 400)


FAR = 2**53 - 1


@pytest.mark.parametrize(
    ("validators", "followers", "ready"),
    [
        ((FAR, 3, 3), (), True),  # n = 4, q = 3: one validator may lie, and n - q + 1 = 2 are believed
        ((FAR, FAR, 3), (), False),
        ((FAR, 3), (), True),
        ((FAR, 0), (), False),  # who has said nothing yet does not contradict
        ((FAR,), (), False),
        ((3, 3), (FAR, FAR, FAR), True),  # followers decide nothing
        ((), (FAR, 3), True),
        ((), (FAR,), False),
    ],
)
async def test_a_peer_that_lies_about_its_height_makes_no_healthy_node_unready(
    api: Api, node: FakeNode, validators: tuple[int, ...], followers: tuple[int, ...], ready: bool
) -> None:
    node.grow(0, 0)
    node.peers = (
        *(
            PeerStatus(PeerId(f"{number:064x}"), f"v{number + 1}", height, 0)
            for number, height in enumerate(validators)
        ),
        *(PeerStatus(PeerId(f"{number + 9:064x}"), None, height, 0) for number, height in enumerate(followers)),
    )
    assert (await api.get("/readyz")).status == (200 if ready else 503)


async def test_status_says_what_the_node_does(api: Api, node: FakeNode) -> None:
    node.grow(1)
    node.peers = (peer(2),)
    await api.post(transaction(create_stream("z"), nonce=5).envelope)
    status = await api.ok("/v1/status")
    assert (status["network"], status["chain"], status["version"]) == ("test", genesis().chain.hex(), VERSION)
    assert status["head"]["height"] == 1
    assert status["role"] == "voting"
    assert (status["n"], status["q"], status["tolerance"]["stopped"]) == (4, 3, 1)
    assert status["deciding"]["missing"] == ["v1", "v2", "v3"]
    assert status["mempool"]["transactions"] == 1
    assert status["peers"][0]["deciding"] == 2
    assert status["explanation"] == "waiting for v1 to propose"


async def test_metrics_are_what_prometheus_reads(api: Api, node: FakeNode) -> None:
    node.grow(2, 3)
    node.publish(0, 2, 3)
    node.peers = (peer(3),)
    node.verifying = WorkersStatus(configured=4, running=3, lost=2, lost_ago_ms=1, verified=700)
    await api.get("/v1/blocks/1")
    await api.get("/v1/blocks/2")
    await api.get("/nothing/here")
    await api.request("PROPFIND", "/nothing/here")
    reply = await api.get("/metrics", headers={"Accept": "application/openmetrics-text, text/plain;q=0.5, */*;q=0.1"})
    families = {family.name: family for family in text_string_to_metric_families(reply.body.decode())}

    def value(name: str, **labels: str) -> float:
        samples = [sample for family in families.values() for sample in family.samples if sample.name == name]
        (found,) = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
        return found

    assert value("ledger_consensus_height") == 2
    assert value("ledger_consensus_missing_validators") == 3
    assert value("ledger_consensus_validator_last_signed_height", validator="v0") == 2
    assert value("ledger_consensus_validator_last_signed_height", validator="v3") == 0
    assert value("ledger_transactions_total") == 5
    assert (value("ledger_checkpoint_height"), value("ledger_checkpoint_cosignatures")) == (2, 3)
    assert value("ledger_p2p_peers") == 1
    workers = "ledger_verification_workers_"
    assert (value(workers + "configured"), value(workers + "running")) == (4, 3)
    assert (value(workers + "lost_total"), value("ledger_verification_signatures_total")) == (2, 700)
    assert value("ledger_build_info", network="test") == 1
    count = "ledger_http_request_duration_seconds_count"
    assert value(count, route="/v1/blocks/{block}", method="GET", status="200") == 2
    assert value(count, route="none", method="GET", status="404") == 1
    assert value(count, route="none", method="other", status="404") == 1, "clients cannot make up labels"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/v1/status", "/v1/evidence", "/v1/blocks", "/v1/accounts"])
async def test_what_is_of_this_moment_is_not_cached(api: Api, path: str) -> None:
    reply = await api.get(path)
    assert reply.headers["Cache-Control"] == "no-store"
    assert "ETag" not in reply.headers
    assert reply.headers["Ledger-Height"] == "0"


async def test_the_doctor_says_the_worst_first(api: Api, node: FakeNode) -> None:
    node.peers = tuple(PeerStatus(PeerId(f"{number:064x}"), f"v{number}", 1, 0) for number in (1, 2, 3))
    answer = await api.ok("/v1/doctor")
    assert (answer["healthy"], answer["findings"], answer["head"]["height"]) == (True, [], 0)
    node.peers = node.peers[:2]
    node.storage_low = True
    node.faults[PeerId(founder(3).node_key.public_key.hex())] = "nobody listens"
    answer = await api.ok("/v1/doctor")
    assert answer["healthy"] is False
    assert answer["findings"][1]["sentence"].endswith("(v3: not linked for 0 s, last dial: nobody listens)")
    assert [(item["code"], item["severity"]) for item in answer["findings"]] == [
        ("storage_low", "error"),
        ("quorum_without_spare", "warning"),
    ]
    assert all(item["sentence"] and item["remedy"] for item in answer["findings"])


async def test_the_doctor_says_that_workers_were_lost(api: Api, node: FakeNode) -> None:
    node.peers = tuple(PeerStatus(PeerId(f"{number:064x}"), f"v{number}", 1, 0) for number in (1, 2, 3))
    node.verifying = WorkersStatus(configured=4, running=3, lost=2, lost_ago_ms=600_000, verified=700)
    (finding,) = (await api.ok("/v1/doctor"))["findings"]
    assert (finding["code"], finding["severity"], finding["validators"]) == ("workers_lost", "warning", ["v0"])
    assert "10 min ago, 2 since its start; 3 of 4 run" in finding["sentence"]
    node.verifying = replace(node.verifying, lost_ago_ms=600_001)
    assert (await api.ok("/v1/doctor"))["findings"] == []
