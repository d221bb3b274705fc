"""The validator set and its quorum: who may sign, how many must, and what that tolerates.

The only threshold of the protocol is q, with n/2 < q <= n (design section 3). Two numbers follow from it, and
they are different: a network of n validators with quorum q goes on while at most n - q are stopped, and stays
one chain while at most 2q - n - 1 sign two different things. For q = a bare majority of an odd n the second is
zero: one double-signer can fork the ledger (and is named by the proof of it, not prevented).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cached_property

from ledger.crypto import check_public_key, digest, tag
from ledger.encoding import Json, encode_trusted, expect_fields, expect_list, expect_string
from ledger.errors import MalformedError
from ledger.limits import ADDRESS_BYTES_MAX, NAME_BYTES_MAX, VALIDATORS_MAX
from ledger.primitives import Digest, PublicKey, parse_public_key

_VALIDATORS_TAG = tag("validators")
_VALIDATOR_TAG = tag("validator")
VALIDATOR_NAME_PATTERN = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
"""The grammar of a validator's name (to be matched in full), for documentation and JSON Schema."""

_VALIDATOR_NAME = re.compile(VALIDATOR_NAME_PATTERN)
_PORT_MAX = 65_535
# Founders read addresses in a terminal, beside the hash that they compare: nothing that could move its cursor.
_ADDRESS = re.compile(r"[!-~]+:([1-9][0-9]{0,4})")


@unique
class QuorumRule(StrEnum):
    """How q follows from n: named rules, or a fixed number."""

    MAJORITY = "majority"
    BFT = "bft"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Quorum:
    """A quorum rule; `fixed` is q itself for `QuorumRule.FIXED` and 0 otherwise."""

    rule: QuorumRule
    fixed: int = 0

    def size(self, validators: int) -> int:
        """q for `validators` = n. Raises `MalformedError` with the arithmetic unless n/2 < q <= n."""
        match self.rule:
            case QuorumRule.MAJORITY:
                q = validators // 2 + 1
            case QuorumRule.BFT:
                q = 2 * validators // 3 + 1
            case QuorumRule.FIXED:
                q = self.fixed
        if not (1 <= q <= validators < 2 * q):
            raise MalformedError(
                f"a quorum of {q} of {validators} breaks n/2 < q <= n ({validators}/2 < {q} <= {validators})"
            )
        return q

    def to_json(self) -> Json:
        """`"majority"`, `"bft"`, or the number q."""
        return self.fixed if self.rule is QuorumRule.FIXED else str(self.rule)


def parse_quorum(value: Json) -> Quorum:
    """A quorum rule from its JSON form. Raises `MalformedError`."""
    if type(value) is int and 1 <= value <= VALIDATORS_MAX:
        return Quorum(QuorumRule.FIXED, value)
    if value in (QuorumRule.MAJORITY, QuorumRule.BFT):
        return Quorum(QuorumRule(value))
    raise MalformedError(f'quorum must be "majority", "bft" or a number from 1 to {VALIDATORS_MAX}')


def default_quorum(validators: int) -> Quorum:
    """The rule of a new network of `validators`: bft from four on, else majority (design section 3)."""
    return Quorum(QuorumRule.BFT if validators >= 4 else QuorumRule.MAJORITY)


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a network of n validators with quorum q survives."""

    validators: int
    quorum: int

    @property
    def stopped(self) -> int:
        """How many validators may be stopped while blocks are still appended: n - q."""
        return self.validators - self.quorum

    @property
    def double_signing(self) -> int:
        """How many validators may sign two different things while the chain cannot fork: 2q - n - 1."""
        return 2 * self.quorum - self.validators - 1

    def sentence(self) -> str:
        """Both numbers in plain words, for operators."""
        return (
            f"{self.validators} validators, quorum {self.quorum}: blocks are appended while at most {self.stopped} "
            f"are stopped; the chain cannot fork while at most {self.double_signing} sign two different things"
        )


@unique
class KeyPurpose(StrEnum):
    """What a validator's key is for."""

    CONSENSUS = "consensus"
    NODE = "node"
    COSIGNING = "cosigning"


@dataclass(frozen=True, slots=True)
class Validator:
    """One validator: a name for people, the account that operates it, three distinct keys, and an address.

    `consensus_key` signs proposals and votes, `node_key` authenticates peer links, `cosigning_key` signs
    checkpoints. `address` is `host:port` of the peer listener.
    """

    name: str
    operator: str
    consensus_key: PublicKey
    node_key: PublicKey
    cosigning_key: PublicKey
    address: str

    @property
    def keys(self) -> tuple[tuple[KeyPurpose, PublicKey], ...]:
        """The three keys, with what each is for."""
        return (
            (KeyPurpose.CONSENSUS, self.consensus_key),
            (KeyPurpose.NODE, self.node_key),
            (KeyPurpose.COSIGNING, self.cosigning_key),
        )

    @property
    def digest(self) -> Digest:
        """What a proposal names the entry by."""
        return digest(_VALIDATOR_TAG, encode_trusted(self.to_json()))

    def to_json(self) -> dict[str, Json]:
        """The entry as it stands in genesis, in state and in `validators_hash`."""
        return {
            "name": self.name,
            "operator": self.operator,
            "consensus_key": self.consensus_key.hex(),
            "node_key": self.node_key.hex(),
            "cosigning_key": self.cosigning_key.hex(),
            "address": self.address,
        }


VALIDATOR_FIELDS = frozenset({"name", "operator", "consensus_key", "node_key", "cosigning_key", "address"})


def parse_validator_name(value: Json) -> str:
    """`value` as the name of a validator. Raises `MalformedError`."""
    name = expect_string(value, what="validator name", bytes_max=NAME_BYTES_MAX)
    if not _VALIDATOR_NAME.fullmatch(name):
        raise MalformedError(f"validator name {name!r} must be lower-case letters, digits and single hyphens")
    return name


def parse_validator(value: Json) -> Validator:
    """A validator from its JSON form, keys checked as for registration. Raises `MalformedError`."""
    validator = parse_validator_entry(value)
    for purpose, key in validator.keys:
        if not check_public_key(key):
            raise MalformedError(f"{purpose}_key of {validator.name} is not an acceptable Ed25519 public key")
    return validator


def parse_validator_entry(value: Json) -> Validator:
    """Like `parse_validator`, keys checked for form only, as is right before anybody is known to have signed for it."""
    fields = expect_fields(value, what="validator", required=VALIDATOR_FIELDS)
    name = parse_validator_name(fields["name"])
    keys = []
    for field in ("consensus_key", "node_key", "cosigning_key"):
        keys.append(parse_public_key(fields[field], f"{field} of {name}"))
    address = expect_string(fields["address"], what=f"address of {name}", bytes_max=ADDRESS_BYTES_MAX)
    if (match := _ADDRESS.fullmatch(address)) is None or int(match[1]) > _PORT_MAX:
        raise MalformedError(f'address of {name} must be "host:port" in ASCII, not {address!r}')
    if len(set(keys)) != 3:
        raise MalformedError(f"the consensus, node and cosigning keys of {name} must be distinct")
    return Validator(
        name=name,
        operator=expect_string(fields["operator"], what=f"operator of {name}", bytes_max=NAME_BYTES_MAX),
        consensus_key=keys[0],
        node_key=keys[1],
        cosigning_key=keys[2],
        address=address,
    )


@dataclass(frozen=True)
class ValidatorSet:
    """The validators in force at a height, in their fixed order, and the quorum rule. Never empty.

    A validator is referred to by its index in `validators` in everything that the set signs.
    """

    validators: tuple[Validator, ...]
    quorum_rule: Quorum

    def __post_init__(self) -> None:
        if not 1 <= len(self.validators) <= VALIDATORS_MAX:
            raise MalformedError(f"a validator set has 1 to {VALIDATORS_MAX} validators")
        if len({v.name for v in self.validators}) != len(self.validators):
            raise MalformedError("two validators have the same name")
        keys = [key for v in self.validators for _purpose, key in v.keys]
        if len(set(keys)) != len(keys):
            raise MalformedError("two validators share a key")
        self.quorum_rule.size(len(self.validators))

    def __len__(self) -> int:
        return len(self.validators)

    @cached_property
    def quorum(self) -> int:
        """q: how many must sign."""
        return self.quorum_rule.size(len(self.validators))

    @cached_property
    def tolerance(self) -> Tolerance:
        """What the set survives."""
        return Tolerance(len(self.validators), self.quorum)

    @cached_property
    def hash(self) -> Digest:
        """What headers carry as `validators_hash`: set and quorum rule."""
        return digest(_VALIDATORS_TAG, encode_trusted(self.to_json()))

    def names_of(self, indices: Iterable[int]) -> tuple[str, ...]:
        """The names of the validators with these indices, in their order."""
        return tuple(self.validators[index].name for index in indices)

    def index_of_consensus_key(self, key: PublicKey) -> int | None:
        """The index of the validator that votes with `key`, or None."""
        return self._by_consensus_key.get(key)

    def index_of_node_key(self, key: PublicKey) -> int | None:
        """The index of the validator that connects with `key`, or None."""
        return self._by_node_key.get(key)

    @cached_property
    def _by_consensus_key(self) -> dict[PublicKey, int]:
        return {v.consensus_key: index for index, v in enumerate(self.validators)}

    @cached_property
    def _by_node_key(self) -> dict[PublicKey, int]:
        return {v.node_key: index for index, v in enumerate(self.validators)}

    def to_json(self) -> dict[str, Json]:
        """The set as it stands in state and receipts."""
        return {"quorum": self.quorum_rule.to_json(), "validators": [v.to_json() for v in self.validators]}


def parse_validator_set(value: Json) -> ValidatorSet:
    """A validator set from its JSON form. Raises `MalformedError`."""
    fields = expect_fields(value, what="validator set", required=frozenset({"quorum", "validators"}))
    items = expect_list(fields["validators"], what="validators", items_max=VALIDATORS_MAX, items_min=1)
    return ValidatorSet(tuple(parse_validator(item) for item in items), parse_quorum(fields["quorum"]))
