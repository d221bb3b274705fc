"""What independent verifiers are asked: a proof from a real node, and the same with one thing changed.

A question is what a stranger has who was handed files: notes, keys from a policy, an entry and a path. Nothing in it is
checked here; the verifiers do that, each as far as it goes.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TypeAlias

from ledger.log.policy import Policy
from ledger.log.proof import LogProof

_SIGNATURE_MARK = "\n\n\u2014 "


@dataclass(frozen=True, slots=True)
class Question:
    """Is `entry` number `index` of the log of the checkpoint `note` (`kind` "inclusion"), or does that log begin with
    the one of `older` ("consistency")? Binary fields are base 64."""

    kind: str
    origin: str
    log_keys: tuple[str, ...]
    cosigner_keys: tuple[str, ...]
    quorum: int
    note: str
    path: tuple[str, ...]
    entry: str = ""
    index: int = 0
    older: str = ""

    def to_json(self) -> dict[str, object]:
        """For verifiers in other languages."""
        return asdict(self)


Change: TypeAlias = Callable[[Question], Question]


def inclusion(proof: LogProof, policy: Policy, entry: bytes) -> Question:
    """The question that a `.tlog-proof` file answers."""
    return Question(
        kind="inclusion",
        origin=policy.logs[0].name,
        log_keys=tuple(key.encode() for key in policy.logs),
        cosigner_keys=tuple(key.encode() for _, key in policy.witnesses),
        quorum=policy.groups[0].threshold,
        note=proof.note.encode().decode(),
        path=tuple(_encode(item) for item in proof.path),
        entry=_encode(entry),
        index=proof.index,
    )


def consistency(older: str, newer: str, path: list[bytes], policy: Policy) -> Question:
    """The question that a consistency proof between two checkpoints answers."""
    return Question(
        kind="consistency",
        origin=policy.logs[0].name,
        log_keys=tuple(key.encode() for key in policy.logs),
        cosigner_keys=tuple(key.encode() for _, key in policy.witnesses),
        quorum=policy.groups[0].threshold,
        note=newer,
        older=older,
        path=tuple(map(_encode, path)),
    )


def with_cosignatures(note: str, names: list[str]) -> str:
    """A note with the cosignatures of these validators only, in this order, each as often as it is named."""
    text, (own, *lines) = _split(note)
    by_name = {line.split(" ")[1].rpartition("/")[2]: line for line in lines}
    return _join(text, [own, *(by_name[name] for name in names)])


def _split(note: str) -> tuple[str, list[str]]:
    text, _, rest = note.rpartition(_SIGNATURE_MARK)
    return f"{text}\n", f"\u2014 {rest}".splitlines()


def _join(text: str, lines: list[str]) -> str:
    return text + "\n" + "".join(f"{line}\n" for line in lines)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _flipped(encoded: str) -> str:
    """Base 64 of the same bytes with the last bit of the last byte flipped."""
    data = bytearray(binascii.a2b_base64(encoded))
    data[-1] ^= 1
    return _encode(bytes(data))


def _text_line(number: int, change: Callable[[str], str], *, older: bool = False) -> Change:
    def changed(question: Question) -> Question:
        text, signatures = _split(question.older if older else question.note)
        lines = text.splitlines()
        lines[number] = change(lines[number])
        note = _join("".join(f"{line}\n" for line in lines), signatures)
        return replace(question, older=note) if older else replace(question, note=note)

    return changed


def _signature_line(change: Callable[[list[str]], list[str]]) -> Change:
    def changed(question: Question) -> Question:
        text, lines = _split(question.note)
        return replace(question, note=_join(text, change(lines)))

    return changed


def _flip_signature(number: int) -> Change:
    def change(lines: list[str]) -> list[str]:
        head, _, encoded = lines[number].rpartition(" ")
        return [*lines[:number], f"{head} {_flipped(encoded)}", *lines[number + 1 :]]

    return _signature_line(change)


def _path(change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Change:
    return lambda question: replace(question, path=change(question.path))


_OF_THE_NOTE: dict[str, Change] = {
    "another root": _text_line(2, _flipped),
    "another size": _text_line(1, lambda size: str(int(size) + 1)),
    "a smaller size": _text_line(1, lambda size: str(int(size) - 1)),
    "another origin": _text_line(0, lambda origin: origin[:-1] + ("0" if origin[-1] != "0" else "1")),
    "the note's signature changed": _flip_signature(0),
    "the note's signature missing": _signature_line(lambda lines: lines[1:]),
    "a path that is too short": _path(lambda path: path[:-1]),
    "a path that is too long": _path(lambda path: (*path, path[0])),
    "a path with a changed hash": _path(lambda path: (_flipped(path[0]), *path[1:])),
    "a path in another order": _path(lambda path: path[::-1]),
}

OF_INCLUSION: dict[str, Change] = {
    **_OF_THE_NOTE,
    "another index": lambda question: replace(question, index=question.index + 1),
    "an index beyond the log": lambda question: replace(question, index=2**40),
    "another entry": lambda question: replace(question, entry=_flipped(question.entry)),
}
"""Changes of a proof of inclusion that everybody must refuse."""

OF_CONSISTENCY: dict[str, Change] = {
    **_OF_THE_NOTE,
    "another older root": _text_line(2, _flipped, older=True),
    "another older size": _text_line(1, lambda size: str(int(size) - 1), older=True),
    "the two exchanged": lambda question: replace(question, note=question.older, older=question.note),
}
"""Changes of a proof of consistency that everybody must refuse who knows consistency."""


def _stranger(lines: list[str]) -> list[str]:
    """The last cosignature under the name of another validator's, as somebody would who has only his own key."""
    return [*lines[:-1], lines[-2].rpartition(" ")[0] + " " + lines[-1].rpartition(" ")[2]]


OF_COSIGNATURES: dict[str, Change] = {
    "one less than a quorum": _signature_line(lambda lines: lines[:-1]),
    "one of them twice": _signature_line(lambda lines: [*lines[:-1], lines[-2]]),
    "one under another's name": _signature_line(_stranger),
    "one of them changed": _flip_signature(1),
    "only the log's": _signature_line(lambda lines: lines[:1]),
    "keys of another era": lambda question: replace(question, cosigner_keys=question.cosigner_keys[1:]),
}
"""Changes of a note with exactly a quorum of cosignatures that everybody must refuse who knows cosignatures."""
