"""The log as other people's tools write it: notes, checkpoints, keys, policies, proofs, tiles (C2SP)."""

from __future__ import annotations

from functools import cache

from ledger.log.checkpoint import parse_checkpoint
from ledger.log.policy import Policy, parse_policy, verify_checkpoint
from ledger.log.proof import parse_log_proof, verify_log_proof
from ledger.log.signed_note import decode_base64, parse_note, parse_verifier_key
from ledger.log.tiles import parse_bundle, parse_tile_name
from tests.fuzz import samples
from tests.fuzz.target import PROVES, Form, Target, text


def _log(*names: str) -> tuple[bytes, ...]:
    found = samples.vectors("transparency_log")
    return samples.lines([found[name] for name in names])


@cache
def _policy() -> Policy:
    return parse_policy(_log("policy")[0])


def _names() -> tuple[bytes, ...]:
    return samples.lines(samples.vectors("transparency_log")["tile_paths"])


def _keys() -> tuple[bytes, ...]:
    found = samples.vectors("transparency_log")
    return samples.lines([*found["log_keys"], *found["cosigner_keys"]])


def _checkpoints() -> tuple[bytes, ...]:
    return tuple(parse_note(data).text.encode() for data in _log("checkpoint", "empty_checkpoint"))


TARGETS = (
    Target("signed note", parse_note, lambda: _log("checkpoint", "empty_checkpoint"), Form.LINES),
    Target(
        "cosigned checkpoint",
        lambda data: verify_checkpoint(parse_note(data), _policy()),
        lambda: _log("checkpoint", "empty_checkpoint"),
        Form.LINES,
        PROVES,
    ),
    Target("checkpoint", text(parse_checkpoint), _checkpoints, Form.LINES),
    Target("verifier key", text(parse_verifier_key), _keys),
    Target(
        "base64",
        text(lambda said: decode_base64(said, what="it")),
        lambda: (b"8+aEhCrn4kZagPOBJkFbplEGrtnMLJSwE9fU2bJz6VM=",),
    ),
    Target("policy", parse_policy, lambda: _log("policy"), Form.LINES),
    Target("proof of the log", parse_log_proof, lambda: _log("proof"), Form.LINES),
    Target(
        "proof of the log, verified",
        lambda data: verify_log_proof(data, policy=_policy()),
        lambda: _log("proof"),
        Form.LINES,
        PROVES,
    ),
    Target("entry bundle", parse_bundle, lambda: samples.unhex([samples.vectors("transparency_log")["bundle"]])),
    Target("tile name", text(parse_tile_name), _names),
)
