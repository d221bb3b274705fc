"""Where etcd cannot be had, or does not start, the comparison says so and measures nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmark import peers

from tests.integration.processes.network import free_base_port
from tests.integration.verifiers.debian import UnavailableError


def test_a_machine_without_debian_packages_cannot_have_etcd(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(peers, "_CACHE", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UnavailableError, match="etcd-server is not installed, and without apt-get"):
        peers.programs()


def test_an_etcd_that_does_not_start_is_quoted_and_none_is_left(tmp_path: Path) -> None:
    etcd = tmp_path / "etcd"
    etcd.write_text('#!/bin/sh\n[ "$3" = m1 ] && echo "no room for $3" && exit 1\nexec sleep 60\n')
    etcd.chmod(0o755)
    members = peers.Members(etcd, tmp_path, free_base_port(peers.MEMBERS))
    with pytest.raises(UnavailableError, match="m1 has ended: no room for m1"), members:
        pytest.fail("they are not ready")
    assert not any(Path(f"/proc/{pid}").exists() for pid in members.pids)
