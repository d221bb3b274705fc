"""What a change of the validator set does to quorum and tolerance, in words, for whoever is about to agree to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import MalformedError
from ledger.governance.changes import Change, QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.validators import Tolerance, ValidatorSet


@dataclass(frozen=True, slots=True)
class Impact:
    """What the network survives before and after, and who is in the set then.

    `renewed` are those of `validators` that come with the entry of a candidate: they joined, or have new keys.
    """

    before: Tolerance
    after: Tolerance
    validators: tuple[str, ...]
    renewed: tuple[str, ...]

    def sentence(self) -> str:
        """Both, in plain words; and what is lost, if anything is."""
        if self.before == self.after:
            return f"Quorum and tolerance stay as they are. {_capital(self.after.sentence())}."
        warnings = ""
        if self.after.stopped < self.before.stopped:
            warnings += f" Fewer may be stopped than before: {self.after.stopped} instead of {self.before.stopped}."
        if self.after.double_signing < self.before.double_signing:
            warnings += (
                f" Fewer may sign two different things than before: {self.after.double_signing} instead of "
                f"{self.before.double_signing}."
            )
        if self.after.double_signing == 0 and self.after.validators > 1:
            warnings += " One validator that signs two different things could fork the ledger."
        return f"Now {self.before.sentence()}. Then {self.after.sentence()}.{warnings}"


def impact(current: ValidatorSet, changes: Iterable[Change]) -> Impact:
    """What `changes`, in their order, make of the tolerance of the `current` set.

    Raises `MalformedError`, with the arithmetic, when the result breaks n/2 < q <= n, and for a validator that is to be
    removed or re-keyed and is not there, or to be added and is.
    """
    names = [validator.name for validator in current.validators]
    renewed: set[str] = set()
    rule = current.quorum_rule
    for change in changes:
        match change:
            case ValidatorAdd(name):
                if name in names:
                    raise MalformedError(f"there is a validator {name}")
                names.append(name)
                renewed.add(name)
            case ValidatorRekey(name):
                if name not in names:
                    raise MalformedError(f"there is no validator {name}")
                renewed.add(name)
            case ValidatorRemove(name):
                if name not in names:
                    raise MalformedError(f"there is no validator {name}")
                names.remove(name)
            case QuorumSet(quorum):
                rule = quorum
            case _:
                continue
    after = Tolerance(len(names), rule.size(len(names)))
    return Impact(current.tolerance, after, tuple(names), tuple(name for name in names if name in renewed))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
