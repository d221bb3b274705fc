"""Rows of the ledger's state: a stranger reads them out of state proofs."""

from __future__ import annotations

from collections.abc import Callable

from ledger.encoding import decode
from ledger.limits import MIB
from ledger.rows.accounts import parse_account_row, parse_administrators_row
from ledger.rows.assets import parse_asset_row, parse_balance_row
from ledger.rows.evidence import parse_evidence_row
from ledger.rows.governance import parse_candidate_row, parse_governance_row, parse_proposal_row
from ledger.rows.settings import parse_leaders_row, parse_parameters_row, parse_validators_row
from ledger.rows.streams import parse_latest_row, parse_stream_row
from ledger.rows.validator_keys import parse_validator_key_row
from ledger.state_proof import parse_state_key
from tests.fuzz import samples
from tests.fuzz.target import Form, Target

_PARSERS: dict[str, Callable[[bytes], object]] = {
    "account/": parse_account_row,
    "administrators": parse_administrators_row,
    "governance": parse_governance_row,
    "proposal/": parse_proposal_row,
    "candidate/": parse_candidate_row,
    "stream/": parse_stream_row,
    "latest/": parse_latest_row,
    "asset/": parse_asset_row,
    "balance/": parse_balance_row,
    "evidence/": parse_evidence_row,
    "leaders": parse_leaders_row,
    "parameters": parse_parameters_row,
    "validators": parse_validators_row,
    "validator-key/": parse_validator_key_row,
}


def _rows(prefix: str) -> Callable[[], tuple[bytes, ...]]:
    return lambda: samples.lines(
        [row["value"] for row in samples.vectors("state_rows") if row["key"].startswith(prefix)]
    )


def _keys() -> tuple[bytes, ...]:
    return samples.documents(*(row["key"] for row in samples.vectors("state_rows")))


TARGETS = (
    *(Target(f"row {prefix}", parse, _rows(prefix), Form.JSON) for prefix, parse in _PARSERS.items()),
    Target("key of a row", lambda data: parse_state_key(decode(data, bytes_max=MIB)), _keys, Form.JSON),
)
