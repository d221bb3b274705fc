"""A small consortium for tests: cards, keys and genesis of n validators, the same every time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ledger.crypto import SigningKey
from ledger.genesis import Card, Genesis, Operator, assemble_genesis, make_card
from ledger.governance.readiness import sign_ready
from ledger.operations.validators import ValidatorReady
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.roles import Role
from ledger.rows.accounts import Account
from ledger.validators import Quorum, Validator, ValidatorSet, default_quorum

TIME_MS = 1_800_000_000_000


def signing_key(label: str) -> SigningKey:
    """The key that is always the same for `label`."""
    return SigningKey(hashlib.sha256(b"test key " + label.encode()).digest())


@dataclass(frozen=True, slots=True)
class Founder:
    """One organisation: its card and all of its keys."""

    card: Card
    operator_key: SigningKey
    consensus_key: SigningKey
    node_key: SigningKey
    cosigning_key: SigningKey


def founder(index: int) -> Founder:
    """The organisation number `index`: validator v<index>, operated by org<index>."""
    keys = {role: signing_key(f"{role} {index}") for role in ("operator", "consensus", "node", "cosigning")}
    card = make_card(
        name=f"v{index}",
        address=f"127.0.0.1:{9001 + 2 * index}",
        operator=Operator(f"org{index}", (keys["operator"].public_key,), 1),
        consensus_key=keys["consensus"],
        node_key=keys["node"],
        cosigning_key=keys["cosigning"],
    )
    return Founder(card, keys["operator"], keys["consensus"], keys["node"], keys["cosigning"])


def founders(count: int) -> tuple[Founder, ...]:
    """The first `count` organisations."""
    return tuple(founder(index) for index in range(count))


def set_of(*indices: int, quorum: Quorum | None = None) -> ValidatorSet:
    """A validator set of these organisations, in this order."""
    return ValidatorSet(
        tuple(founder(index).card.validator for index in indices), quorum or default_quorum(len(indices))
    )


def operators(indices: Iterable[int]) -> tuple[Account, ...]:
    """Accounts of organisations that operate no validator of genesis, and may operate one."""
    return tuple(
        Account(f"org{index}", (founder(index).operator_key.public_key,), 1, (Role.OPERATOR,)) for index in indices
    )


def ready_of(chain: Digest, entry: Validator, keys: Founder, height: int) -> ValidatorReady:
    """The operation by which the keys of `keys` say that they are ready for `entry`."""
    proofs = sign_ready(
        chain,
        entry,
        height,
        consensus_key=keys.consensus_key,
        node_key=keys.node_key,
        cosigning_key=keys.cosigning_key,
    )
    return ValidatorReady(entry.operator, entry, height, proofs)


def rekeyed(index: int, keys: int) -> Validator:
    """The validator number `index` with the keys and the address of the organisation number `keys`."""
    return replace(founder(keys).card.validator, name=f"v{index}", operator=f"org{index}")


def genesis_of(
    count: int,
    *,
    quorum: Quorum | None = None,
    parameters: Parameters | None = None,
    further_accounts: tuple[Account, ...] = (),
) -> Genesis:
    """Genesis of `count` validators; org0 is the administrator."""
    return assemble_genesis(
        network="test",
        salt=bytes(16),
        time_ms=TIME_MS,
        quorum=quorum or default_quorum(count),
        parameters=parameters or Parameters(),
        cards=tuple(f.card for f in founders(count)),
        administrators=("org0",),
        further_accounts=further_accounts,
    )
