"""Changes of the validator set without a proposal: as if one became active in the block of a given height."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from ledger import chain as chain_module
from ledger.encoding import encode_trusted
from ledger.execution import Execution
from ledger.rows.settings import VALIDATORS_KEY
from ledger.rows.validator_keys import ValidatorKey, validator_key_key
from ledger.state import State
from ledger.validators import ValidatorSet


def rows_of_change(state: State, validators: ValidatorSet, height: int) -> dict[bytes, bytes]:
    """What the block of `height` writes when it decides `validators` for the next one: the set, and whose keys when."""
    rows = {VALIDATORS_KEY: encode_trusted(validators.to_json())}
    before = {key for validator in state.validators().validators for _, key in validator.keys}
    after = {key for validator in validators.validators for _, key in validator.keys}
    for key in before - after:
        known = state.validator_key(key)
        assert known is not None
        rows[validator_key_key(key)] = encode_trusted(replace(known, until=height).to_json())
    for validator in validators.validators:
        for purpose, key in validator.keys:
            if key not in before:
                made = ValidatorKey(validator.name, purpose, since=height + 1)
                rows[validator_key_key(key)] = encode_trusted(made.to_json())
    return rows


def decide_sets(monkeypatch: pytest.MonkeyPatch, sets: Mapping[int, ValidatorSet]) -> None:
    """Let the block of each of these heights, whoever executes it, decide this set for the next height."""
    execute = chain_module.execute

    def execute_and_change(state: State, *, height: int, **given: Any) -> Execution:
        done = execute(state, height=height, **given)
        if height not in sets:
            return done
        return changed(done, writes={**done.writes, **rows_of_change(state, sets[height], height)})

    monkeypatch.setattr(chain_module, "execute", execute_and_change)
