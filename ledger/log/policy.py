"""Whose signatures make a checkpoint worth something: policy files (https://c2sp.org/tlog-policy).

    log <vkey> [<url>]                     whose note it may be: any one of these must have signed
    witness <name> <vkey> [<url>]          a cosigner
    group <name> all|any|<k> <name>...     has witnessed when k of its members have
    quorum <name>|none                     what must have witnessed

The policy of a validator set has every validator as a log key, because any may serve the note, and as a witness; and
one group, of which the ledger's quorum q must have cosigned. Policies of others are read too: an auditor may add logs,
witnesses of their own and groups.

A policy is what its verifier trusts, so it is pinned from elsewhere, like a genesis document; a policy that came from
the node that served the checkpoint proves nothing about it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from ledger.errors import MalformedError, VerificationError
from ledger.limits import POLICY_BYTES_MAX, POLICY_LINES_MAX
from ledger.log.checkpoint import Checkpoint, cosigner_key, log_key, parse_checkpoint
from ledger.log.signed_note import Note, SignatureType, VerifierKey, parse_verifier_key, verify_note
from ledger.validators import ValidatorSet

_NONE = "none"
_GROUP = "validators"
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")


@dataclass(frozen=True, slots=True)
class Group:
    """A group: witnessed when `threshold` of `members` (names of witnesses and earlier groups) have."""

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy file's content. `witnesses` are (name, key); `quorum` names a witness or group, None for none at all."""

    logs: tuple[VerifierKey, ...]
    witnesses: tuple[tuple[str, VerifierKey], ...]
    groups: tuple[Group, ...]
    quorum: str | None

    def encode(self, *, comment: str = "") -> bytes:
        """The file, with `comment` (lines, without their #) before it."""
        lines = [f"# {line}" for line in comment.splitlines()]
        lines += [f"log {key.encode()}" for key in self.logs]
        lines += [f"witness {name} {key.encode()}" for name, key in self.witnesses]
        lines += [f"group {group.name} {group.threshold} {' '.join(group.members)}" for group in self.groups]
        lines.append(f"quorum {_NONE if self.quorum is None else self.quorum}")
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

    def missing(self, cosigned: Collection[VerifierKey]) -> str | None:
        """What the policy lacks when these witnesses have cosigned, in words, or None when it is satisfied."""
        if self.quorum is None:
            return None
        reached = {name for name, key in self.witnesses if key in cosigned}
        counts: dict[str, tuple[int, int]] = {}
        for group in self.groups:
            count = len(reached.intersection(group.members))
            counts[group.name] = count, group.threshold
            if count >= group.threshold:
                reached.add(group.name)
        if self.quorum in reached:
            return None
        have, needed = counts.get(self.quorum, (0, 1))
        return f"{have} of {self.quorum!r} cosigned, and {needed} must"


@dataclass(frozen=True, slots=True)
class CosignedCheckpoint:
    """A checkpoint that satisfies a policy: the log keys that signed its note, and the names of the witnesses that
    cosigned it, each with the time that it states (POSIX seconds)."""

    checkpoint: Checkpoint
    logs: tuple[VerifierKey, ...]
    witnesses: tuple[tuple[str, int], ...]


def validators_policy(origin: str, validators: ValidatorSet) -> Policy:
    """The policy of a validator set: a note of any validator, cosigned by a quorum."""
    witnesses = tuple((f"validator:{item.name}", cosigner_key(origin, item)) for item in validators.validators)
    return Policy(
        logs=tuple(log_key(origin, item.cosigning_key) for item in validators.validators),
        witnesses=witnesses,
        groups=(Group(_GROUP, validators.quorum, tuple(name for name, _ in witnesses)),),
        quorum=_GROUP,
    )


def verify_checkpoint(note: Note, policy: Policy) -> CosignedCheckpoint:
    """Hold a note against `policy`: one of its logs has signed it, and enough of its witnesses have cosigned it.

    A policy without logs leaves open whose note it is; one without a quorum either asks for nothing, and so nothing
    satisfies it. Raises `MalformedError` when the note is no checkpoint, and
    `VerificationError` saying what is missing or wrong.
    """
    checkpoint = parse_checkpoint(note.text)
    if not policy.logs and policy.quorum is None:
        raise VerificationError("the policy asks for no signature, so it accepts whatever anybody writes")
    own = [key for key in policy.logs if key.name == checkpoint.origin]
    if policy.logs and not own:
        raise VerificationError(f"the policy has no log with the origin {checkpoint.origin!r}")
    verified = verify_note(note, [*own, *(key for _, key in policy.witnesses)])
    logs = tuple(key for key in own if key in verified)
    if policy.logs and not logs:
        raise VerificationError("the checkpoint is not signed by a key of its log that the policy names")
    if (missing := policy.missing(verified)) is not None:
        raise VerificationError(f"the policy is not satisfied: {missing}")
    times = ((name, verified.get(key)) for name, key in policy.witnesses)
    return CosignedCheckpoint(checkpoint, logs, tuple((name, time_s) for name, time_s in times if time_s is not None))


def parse_policy(data: bytes) -> Policy:
    """The policy of a file. Raises `MalformedError` naming the line."""
    if len(data) > POLICY_BYTES_MAX:
        raise MalformedError(f"a policy file has at most {POLICY_BYTES_MAX} bytes, not {len(data)}")
    if any((octet < 0x20 and octet not in b"\t\n") or octet == 0x7F for octet in data):
        raise MalformedError("a policy file has no control characters but tabs and newlines")
    # Octets above ASCII are opaque: names are compared as they stand (tlog-policy, "Character set").
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    if len(lines) > POLICY_LINES_MAX:
        raise MalformedError(f"a policy file has at most {POLICY_LINES_MAX} lines")
    if lines[-1]:
        raise MalformedError("the last line of a policy file has no newline")
    reader = _Reader()
    for number, line in enumerate(lines, 1):
        words = [word for word in re.split(r"[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            continue
        try:
            reader.take(words)
        except MalformedError as error:
            raise MalformedError(f"line {number} of the policy: {error}") from None
    return reader.finish()


class _Reader:
    """Takes in a policy line by line."""

    def __init__(self) -> None:
        self._logs: list[VerifierKey] = []
        self._witnesses: list[tuple[str, VerifierKey]] = []
        self._groups: list[Group] = []
        self._names: set[str] = set()
        self._members: set[str] = set()
        self._quorum: list[str | None] = []

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._logs.append(self._key(vkey, SignatureType.ED25519, self._logs))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._define(name)
                others = [key for _, key in self._witnesses]
                self._witnesses.append((name, self._key(vkey, SignatureType.COSIGNATURE, others)))
            case ["group", name, threshold, *members] if members:
                self._groups.append(self._group(name, threshold, members))
            case ["quorum", name]:
                if name != _NONE and name not in self._names:
                    raise MalformedError(f"no witness or group {name!r} is defined before it")
                self._quorum.append(None if name == _NONE else name)
            case _:
                raise MalformedError("is none of log, witness, group and quorum with their words")

    def finish(self) -> Policy:
        if len(self._quorum) != 1:
            raise MalformedError("a policy has exactly one quorum line")
        return Policy(tuple(self._logs), tuple(self._witnesses), tuple(self._groups), self._quorum[0])

    def _define(self, name: str) -> None:
        if name == _NONE or name in self._names:
            raise MalformedError(f"the name {name!r} is taken")
        self._names.add(name)

    def _key(self, vkey: str, type: SignatureType, others: list[VerifierKey]) -> VerifierKey:
        key = parse_verifier_key(vkey)
        if key.type is not type:
            raise MalformedError(f"{key.name} has a key of type {int(key.type)}, and type {int(type)} belongs here")
        if any(key.public_key == other.public_key for other in others):
            raise MalformedError(f"the public key of {key.name} stands in an earlier line")
        return key

    def _group(self, name: str, threshold: str, members: list[str]) -> Group:
        for member in members:
            if member not in self._names:
                raise MalformedError(f"no witness or group {member!r} is defined before it")
            if member in self._members:
                raise MalformedError(f"{member!r} is a member already, and may be one once")
            self._members.add(member)
        self._define(name)
        count = {"all": len(members), "any": 1}.get(threshold)
        if count is None:
            count = int(threshold) if _THRESHOLD.fullmatch(threshold) else 0
        if not 1 <= count <= len(members):
            raise MalformedError(f"{threshold!r} is neither all nor any nor a number from 1 to {len(members)}")
        return Group(name, count, tuple(members))
