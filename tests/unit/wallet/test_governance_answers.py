"""What a node says about its links, whatever it says instead of names."""

from __future__ import annotations

import pytest

from ledger.encoding import Json
from wallet.governance_answers import parse_links

KEY = "ab" * 32


@pytest.mark.parametrize("name", [None, 7, {}, [], {"v0": 1}])
def test_what_is_no_name_links_nobody(name: Json) -> None:
    links = parse_links({"role": "voting", "validator": name, "peers": [{"node_key": KEY, "validator": name}]})
    assert links.validators == frozenset()
    assert links.node_keys == {KEY}


def test_a_validator_is_linked_with_itself_and_its_peers() -> None:
    peers: Json = [{"node_key": KEY, "validator": "v1"}, {"node_key": "cd" * 32, "validator": None}]
    assert parse_links({"role": "voting", "validator": "v0", "peers": peers}).validators == {"v0", "v1"}
    assert parse_links({"role": "following", "validator": "v0", "peers": peers}).validators == {"v1"}
