"""quorum-audit watch: nodes that lie, lag, stall and take back are found; honest ones are left alone."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from aiohttp import web

from ledger.consensus.codec import decode_commit_record
from ledger.operations.streams import StreamCreate
from ledger.pinned_checkpoint import parse_pinned_checkpoint
from ledger.split_view import Side
from ledger.trail import anchor_of
from ledger.transaction import assemble, build_body, sign_body
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always, problem
from tests.unit.wallet.network import Network
from wallet.auditing.watch_state import Memory
from wallet.auditing.watching import Watch
from wallet.exit_codes import ExitCode
from wallet.pinning import Pin


@pytest.fixture
def chain(profile: Path, network: Network) -> Network:
    """Five blocks."""
    for _ in range(5):
        network.commit([])
    return network


@pytest.fixture
def other(chain: Network) -> Iterator[FakeNode]:
    """A second node, with a chain of its own from here on."""
    with FakeNode(chain.fork()) as node:
        yield node


def once(audit: Run, *nodes: FakeNode | str, exit_code: int = 0) -> dict[str, object]:
    """What one look at nodes, with options, prints."""
    given = (node if isinstance(node, str) else node.url for node in nodes)
    result = audit("watch", *given, "--once", "--output", "json")
    assert result.exit_code == exit_code, result.output
    printed: dict[str, object] = json.loads(result.stdout)
    assert printed["verified"] is (exit_code == 0)
    return printed


def kinds(printed: dict[str, object]) -> list[tuple[str, str]]:
    """What was found, of which node."""
    found = printed["findings"]
    assert isinstance(found, list)
    return [(finding["node"], finding["kind"]) for finding in found]


def remembered(home: Path, chain: Network) -> dict[str, object]:
    """What the watch keeps."""
    memory: dict[str, object] = json.loads((home / "watches" / f"{chain.genesis.chain.hex()}.json").read_bytes())
    return memory


def write(chain: Network) -> None:
    """A block with one transaction."""
    number = len(chain.blocks)
    body = build_body(
        chain=chain.genesis.chain,
        sender="org0",
        nonce=number.to_bytes(16, "big"),
        valid_until_ms=chain.head_time_ms + 60_000,
        operations=[StreamCreate(by="org0", name=f"stream-{number}")],
    )
    chain.submit(assemble(body, [sign_body(body, chain.founders[0].operator_key)]))


def test_honest_nodes_that_go_on_are_left_alone(
    audit: Run, home: Path, node: FakeNode, other: FakeNode, chain: Network
) -> None:
    printed = once(audit, node, other)
    assert (printed["height"], printed["block_hash"]) == chain.head
    kept = json.dumps(remembered(home, chain)["checkpoint"], sort_keys=True, separators=(",", ":")).encode()
    assert parse_pinned_checkpoint(kept).block_hash.hex() == chain.head[1], "a file that anybody may pin"
    for network in (node.network, other.network):
        network.commit([], later_ms=777)
    assert once(audit, node, other)["height"] == 6
    assert once(audit, node, other)["height"] == 6
    assert not list(Path().glob("split-view*"))


def test_a_node_that_is_behind_is_no_split(audit: Run, node: FakeNode, other: FakeNode) -> None:
    node.network.commit([])
    printed = once(audit, node, other)
    assert [view["height"] for view in printed["nodes"]] == [6, 5]  # type: ignore[union-attr, attr-defined]
    node.network.commit([])
    once(audit, other, node)


def test_a_node_that_fails_between_two_questions_is_not_called_a_forger(
    audit: Run, node: FakeNode, other: FakeNode, chain: Network
) -> None:
    """Its past is not compared then, so what it shows is not remembered."""
    other.network.commit([])
    newest = web.Response(body=other.network.light_update(0, 6))
    other.next("GET", "/v1/light/update", always(lambda: newest), always(lambda: problem(503, "busy", "try later")))
    printed = once(audit, node, other, "--timeout", "0.5")
    problems = [view["problem"] for view in printed["nodes"]]  # type: ignore[union-attr, attr-defined]
    assert problems[0] is None
    assert "does not show block 5" in problems[1]
    assert printed["height"] == 5
    assert once(audit, node, other)["height"] == 6


def test_a_split_view_is_found_and_proved(
    audit: Run, home: Path, node: FakeNode, other: FakeNode, chain: Network
) -> None:
    once(audit, node, other)
    chain.commit([], later_ms=1_000)
    other.network.commit([], later_ms=2_000)
    printed = once(audit, node, other, exit_code=10)
    assert kinds(printed) == [(other.url, "split_view")]
    assert (printed["height"], remembered(home, chain)["checkpoint"]["header"]["height"]) == (5, 5), "no side is taken"  # type: ignore[index]
    (file,) = Path().glob("split-view-6-*.json")
    proof = json.loads(audit("verify", str(file), "--output", "json").stdout)
    assert (proof["kind"], proof["height"]) == ("quorum-ledger/split-view", 6)
    assert {proof["first"], proof["second"]} == {chain.head[1], other.network.head[1]}
    assert proof["signed_both"] == ["v0", "v1", "v2"]
    once(audit, node, other, exit_code=10)
    assert len(list(Path().glob("split-view-*"))) == 1
    text = audit("verify", str(file)).stdout
    assert "signed both  v0, v1, v2" in text
    for position in range(0, file.stat().st_size, 17):
        damaged = bytearray(file.read_bytes())
        damaged[position] ^= 1
        Path("damaged.json").write_bytes(damaged)
        assert audit("verify", "damaged.json").exit_code == ExitCode.VERIFICATION_FAILED, position


def test_what_does_not_prove_a_split_is_not_said_to(profile: Path, chain: Network) -> None:
    """As where another set signed what was seen, and the trail to it is not remembered."""
    anchor = anchor_of(chain.genesis)
    watch = Watch(Pin(anchor, "test", "genesis"), Memory(), stalled_after_ms=1, now_ms=lambda: 0)
    seen, shown = (Side(decode_commit_record(chain.records[height - 1]), ()) for height in (5, 4))
    finding = watch._split("url", "that was seen", seen, shown, 5)
    assert (finding.kind, finding.evidence) == ("split_view", None)


def test_a_split_is_found_whoever_of_the_two_is_further(audit: Run, node: FakeNode, other: FakeNode) -> None:
    node.network.commit([], later_ms=1_000)
    for _ in range(3):
        other.network.commit([], later_ms=2_000)
    for nodes in ((node, other), (other, node)):
        assert kinds(once(audit, *nodes, exit_code=10)) == [(other.url, "split_view")]
    (file,) = Path().glob("split-view-6-*.json")
    assert audit("verify", str(file)).exit_code == ExitCode.OK


def test_a_node_that_rewrote_what_was_seen_is_found_alone(
    audit: Run, home: Path, node: FakeNode, chain: Network
) -> None:
    """No second node is needed: what was seen before is the witness, and half of the proof."""
    past = chain.fork()
    chain.commit([])
    once(audit, node)
    for _ in range(3):
        past.commit([], later_ms=5_000)
    node.network = past
    printed = once(audit, node, exit_code=10)
    assert kinds(printed) == [(node.url, "split_view")]
    assert printed["height"] == 6
    (file,) = Path().glob("split-view-6-*.json")
    assert audit("verify", str(file)).exit_code == ExitCode.OK


def test_a_node_that_shows_less_than_it_did_is_found(audit: Run, node: FakeNode, other: FakeNode) -> None:
    for network in (node.network, other.network):
        network.commit([])
    once(audit, node, other)
    node.network.forget(2)
    assert kinds(once(audit, node, other, exit_code=10)) == [(node.url, "rolled_back")]
    node.network.commit([])
    node.network.commit([])
    once(audit, node, other)


def test_forged_certificates_and_proofs_are_found(audit: Run, node: FakeNode, chain: Network) -> None:
    once(audit, node)
    write(chain)
    honest = chain.light_update(0, 6)
    lies = {
        "a signature": honest.replace(b'"signature":"', b'"signature":"0', 1),
        "another time": honest.replace(b'"time_ms":1', b'"time_ms":2'),
        "no update": b"{}",
        "beyond what was asked for": honest,
    }
    for lie, body in lies.items():
        node.next("GET", "/v1/light/update", always(lambda body=body: web.Response(body=body)))  # type: ignore[misc]
        assert kinds(once(audit, node, exit_code=10)) == [(node.url, "forged")], lie
    assert once(audit, node)["height"] == 6
    write(chain)
    wrong = json.loads(chain.light_update(1, 7))
    wrong["consistency"] = ["00" * 32] * len(wrong["consistency"])
    body = json.dumps(wrong, sort_keys=True, separators=(",", ":")).encode()
    past = chain.light_update(0, 6)
    replies = (always(lambda: web.Response(body=past)), always(lambda: web.Response(body=body)))
    node.next("GET", "/v1/light/update", *replies)
    assert kinds(once(audit, node, exit_code=10)) == [(node.url, "inconsistent")]
    assert once(audit, node)["height"] == 7


def test_a_node_that_leads_block_by_block_is_not_followed_for_ever(
    audit: Run, home: Path, node: FakeNode, chain: Network
) -> None:
    """Each answer is true, and there are as many as blocks; nobody else would be looked at meanwhile."""
    for exit_code in (10, 0):
        for height in range(1, 6 if exit_code else 1):
            body = chain.light_update(0, height)
            node.next("GET", "/v1/light/update", always(lambda body=body: web.Response(body=body)))  # type: ignore[misc]
        before = node.count("GET", "/v1/light/update")
        found = kinds(once(audit, node, exit_code=exit_code))
        assert found == ([(node.url, "forged")] if exit_code else [])
        assert node.count("GET", "/v1/light/update") == before + 1
        node.script.clear()
    node.next("GET", "/v1/light/update", always(lambda: web.Response(body=chain.light_update(0, 3))))
    pinned = ("--genesis", str(home / "genesis.json"))
    assert audit("checkpoint", node.url, *pinned).exit_code == ExitCode.VERIFICATION_FAILED


def test_a_node_at_the_pinned_block_cannot_make_it_look_new(
    audit: Run, home: Path, node: FakeNode, chain: Network
) -> None:
    Path("pin.json").write_bytes(chain.checkpoint(5).document)
    now_ms = chain.head_time_ms + 3_600_000
    latest = {"height": 3, "block_hash": chain.blocks[2].block_hash.hex(), "header": {"time_ms": now_ms}}
    node.next("GET", "/v1/blocks/latest", always(lambda: web.json_response(latest)))
    command = ("watch", node.url, "--once", "--checkpoint", "pin.json", "--stalled-after", "600", "--output", "json")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("wallet.auditing.commands.watch.time.time_ns", lambda: now_ms * 1_000_000)
        result = audit(*command, "--state", "new")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert kinds(json.loads(result.stdout)) == [(node.url, "stalled")]


def test_another_networks_node_is_found(audit: Run, node: FakeNode, chain: Network) -> None:
    stranger = Network(name="another")
    stranger.commit([])
    with FakeNode(stranger) as lost:
        assert kinds(once(audit, node, lost, exit_code=10)) == [(lost.url, "forged")]


def test_a_stalled_node_is_found(audit: Run, node: FakeNode, chain: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = time.time_ns()
    monkeypatch.setattr("wallet.auditing.commands.watch.time.time_ns", lambda: now_ns + 3_600 * 10**9)
    printed = once(audit, node, exit_code=10)
    assert kinds(printed) == [(node.url, "stalled")]
    assert audit("watch", node.url, "--once", "--stalled-after", "7200").exit_code == ExitCode.OK


def test_nobody_who_answers_exits_14_and_one_of_several_is_enough(audit: Run, node: FakeNode, chain: Network) -> None:
    nowhere = "http://127.0.0.1:1"
    assert audit("watch", nowhere, "--once").exit_code == ExitCode.NODE_UNREACHABLE
    result = audit("watch", nowhere, node.url, "--once", "--output", "json")
    assert result.exit_code == ExitCode.OK
    assert [view["problem"] is None for view in json.loads(result.stdout)["nodes"]] == [False, True]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410])
def test_a_node_that_refuses_to_be_watched_has_not_answered(
    audit: Run, node: FakeNode, chain: Network, status: int
) -> None:
    """Whatever else it was would end a watch that runs until it is interrupted."""
    node.next("GET", "/v1/blocks/latest", always(lambda: problem(status, "no", "not for you")))
    result = audit("watch", node.url, "--once", "--output", "json")
    assert (result.exit_code, json.loads(result.stderr)["error"]["code"]) == (ExitCode.NODE_UNREACHABLE, "no")
    assert node.url in result.stderr


def test_what_is_remembered_is_of_one_chain_and_well_formed(
    audit: Run, home: Path, node: FakeNode, chain: Network
) -> None:
    once(audit, node)
    stranger = Network(name="another")
    Path("other.json").write_bytes(stranger.genesis.document)
    state = home / "watches" / f"{chain.genesis.chain.hex()}.json"
    fork = chain.fork()
    fork.forget(1)
    fork.commit([], later_ms=7)
    Path("fork.json").write_bytes(fork.checkpoint(5).document)
    result = audit("watch", node.url, "--once", "--checkpoint", "fork.json")
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    assert "remembered is another block 5 than the pinned one" in result.stderr
    pinned = ("--genesis", "other.json", "--genesis-hash", stranger.genesis.chain.hex())
    result = audit("watch", node.url, "--once", "--state", str(state), *pinned)
    assert result.exit_code == ExitCode.VERIFICATION_FAILED
    whole = state.read_bytes()
    for damaged in (b"", b"{}", whole[:-1], whole.replace(b'"height":5', b'"height":6', 1)):
        state.write_bytes(damaged)
        result = audit("watch", node.url, "--once")
        assert result.exit_code == ExitCode.USAGE, result.output


def test_it_runs_until_interrupted_and_serves_figures(
    home: Path, node: FakeNode, other: FakeNode, chain: Network
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-c", "from wallet.audit_cli import main; main()", "watch", node.url, other.url]
    command += ["--interval", "0.1", "--metrics", f"127.0.0.1:{port}", "--output", "jsonl"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            figures = until(process, port, "quorum_watch_known_height 5.0")
            assert f'quorum_watch_up{{node="{node.url}"}} 1.0' in figures
            chain.commit([], later_ms=1_000)
            other.network.commit([], later_ms=2_000)
            line = json.loads(process.stdout.readline())
            assert (line["node"], line["kind"]) == (other.url, "split_view")
            figures = until(process, port, f'quorum_watch_wrong{{kind="split_view",node="{other.url}"}} 1.0')
            assert f'quorum_watch_wrong{{kind="forged",node="{other.url}"}} 0.0' in figures
        finally:
            process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=60)
        assert rest == "", "a finding is said once"
        assert process.returncode == ExitCode.VERIFICATION_FAILED


def until(process: subprocess.Popen[str], port: int, line: str) -> str:
    """The figures, once they have this line."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                figures: str = answer.read().decode()
            if line in figures:
                return figures
        except OSError:
            figures = ""
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, figures
        time.sleep(0.02)
