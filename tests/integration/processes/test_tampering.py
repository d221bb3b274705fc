"""What was changed on a validator's disk is noticed and never served; the others have it."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from ledger.primitives import Digest
from node.cli import main as quorum_node
from node.storage import keys
from node.storage.bodies import pack_chunk, read_chunk
from node.storage.leveldb import open_database
from tests.integration.processes.network import ProcessNetwork, id_of
from wallet.audit_cli import main as quorum_audit


async def test_a_block_or_certificate_changed_on_disk_is_noticed_and_never_served(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path, validators=1) as network:
        network.start()
        await network.until_ready(peers=0)
        await network.register()
        envelopes = [network.record(f"evidence {number}") for number in range(3)]
        heights = [int(str((await network.submit(0, envelope))["height"])) for envelope in envelopes]
        await network.submit(0, network.record("the tip, which is left alone"))
        hashes = [str((await network.get(0, f"/v1/blocks/{height}"))["block_hash"]) for height in heights]
        assert network.stop(0) == 0

        verify_store = ["verify-store", "--home", str(network.layout.validator_home(0))]
        verified = CliRunner().invoke(quorum_node, verify_store)
        assert (verified.exit_code, verified.output.splitlines()[-1][:24]) == (0, "verified: blocks 0 to 6 ")

        # Somebody with the database at hand changes a body, a certificate and a header, with good checksums.
        store = open_database(network.layout.validator_home(0) / "data" / "database")
        name = Digest(bytes.fromhex(hashes[0]))
        (envelope,) = read_chunk(store, heights[0], name, 0)
        assert b"evidence 0" in envelope
        row = pack_chunk([envelope.replace(b"evidence 0", b"evidence 9")])
        store.write({keys.body_chunk(heights[0], name, 0): row}, sync=True)
        changes = {
            keys.record(heights[1]): (b'"signature":"', b'"signature":"00'),
            keys.header(heights[2]): (b'"round":0', b'"round":1'),
        }
        for key, (old, new) in changes.items():
            value = store.get(key)
            assert value is not None
            assert old in value
            changed = value.replace(old, new)[: len(value)] if len(old) == len(new) else _overwritten(value, old, new)
            store.write({key: changed}, sync=True)
        store.close()

        verified = CliRunner().invoke(quorum_node, verify_store)
        assert verified.exit_code == 10, verified.output
        for height in heights:
            assert f"block {height}: " in verified.output

        network.start(0)
        await network.until_ready(peers=0)
        for path in (
            f"/v1/transactions/{id_of(envelopes[0])}",
            f"/v1/transactions/{id_of(envelopes[0])}/receipt",
            f"/v1/blocks/{heights[0]}/body",
            f"/v1/blocks/{heights[1]}/certificate",
            f"/v1/transactions/{id_of(envelopes[1])}/receipt",
            f"/v1/blocks/{heights[2]}",
        ):
            answer = await network.get(0, path)
            assert (path, answer.get("status")) == (path, 500)
            assert "evidence 9" not in str(answer)
        untouched = await network.get(0, f"/v1/transactions/{id_of(envelopes[1])}")
        assert untouched["state"] == "committed"


def _overwritten(value: bytes, old: bytes, new: bytes) -> bytes:
    """`value` with what begins at `old` overwritten by `new`, its length kept."""
    at = value.index(old)
    return value[:at] + new + value[at + len(new) :]


async def test_a_receipt_with_any_one_byte_changed_fails_with_exit_code_10(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path, validators=1) as network:
        network.start()
        await network.until_ready(peers=0)
        await network.register()
        envelope = network.record("kept for ever")
        assert (await network.submit(0, envelope))["result"] == "applied"
        async with network.session.get(f"{network.url(0)}/v1/transactions/{id_of(envelope)}/receipt") as answer:
            receipt = await answer.read()
    file, runner = tmp_path / "receipt.json", CliRunner()
    command = ["verify", str(file), "--genesis", str(network.layout.genesis)]
    file.write_bytes(receipt)
    assert runner.invoke(quorum_audit, command).exit_code == 0
    for position in range(len(receipt)):
        file.write_bytes(receipt[:position] + bytes([receipt[position] ^ 1]) + receipt[position + 1 :])
        assert (position, runner.invoke(quorum_audit, command).exit_code) == (position, 10)
