"""The genesis document: what the founders agree on, and by whose hash everybody knows the chain.

A **card** is what one organisation hands to the others before there is a chain: the entry of its validator, the
account that will operate it, and for each of the validator's three keys a proof of possession (a signature by
that key over both). Nobody needs to send a secret, and nobody can put another's key under their own name.

**Genesis** is one canonical JSON document, assembled by anyone from the cards. The chain's identity is
`digest(tag("genesis"), document)`; every signature of every transaction and vote contains it. A random salt keeps
two networks with the same founders apart. Its fields:

    kind         "quorum-ledger/genesis"
    version      1
    network      a name for people
    salt         32 hex digits
    time_ms      ledger time of genesis
    quorum       "majority", "bft" or q
    parameters   the governed parameters (`ledger.parameters.Parameters`)
    accounts     as in state, in order of name, none suspended; each card's operator is among them, with that role
    cards        [{validator, operator, proofs}], in the validators' order

(design sections 3, 5 and 10)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ledger import trie
from ledger.block import HEADER_VERSION, Header, block_hash, encode_header
from ledger.chain import Tip
from ledger.crypto import SigningKey, digest, tag, verify
from ledger.documents import expect_kind
from ledger.encoding import (
    Json,
    decode_object,
    encode_trusted,
    expect_fields,
    expect_integer,
    expect_list,
    expect_string,
)
from ledger.errors import MalformedError, VerificationError
from ledger.limits import (
    GENESIS_ACCOUNTS_MAX,
    GENESIS_BYTES_MAX,
    GENESIS_SALT_BYTES,
    GENESIS_TIME_MS_MAX,
    KEYS_PER_ACCOUNT_MAX,
    NAME_BYTES_MAX,
    VALIDATORS_MAX,
)
from ledger.merkle import EMPTY_FRONTIER
from ledger.names import parse_account_name
from ledger.parameters import PROTOCOL_VERSION, Parameters, parse_parameters
from ledger.primitives import (
    ZERO_DIGEST,
    Digest,
    PublicKey,
    Signature,
    parse_hex,
    parse_public_key,
    parse_signature,
)
from ledger.roles import Role
from ledger.rows.accounts import Account, check_keys, parse_account
from ledger.state import initial_state
from ledger.trie import TrieChange
from ledger.validators import Quorum, Validator, ValidatorSet, parse_quorum, parse_validator

_GENESIS_TAG = tag("genesis")
_CARD_TAG = tag("card")

GENESIS_KIND = "quorum-ledger/genesis"
CARD_KIND = "quorum-ledger/card"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Operator:
    """The account of the organisation that operates a validator, as its card states it."""

    name: str
    keys: tuple[PublicKey, ...]
    threshold: int

    def to_json(self) -> dict[str, Json]:
        """The operator as it stands in a card."""
        return {"name": self.name, "keys": [key.hex() for key in self.keys], "threshold": self.threshold}


@dataclass(frozen=True, slots=True)
class Card:
    """A validator's public card; one that exists has valid proofs of possession."""

    validator: Validator
    operator: Operator
    consensus_proof: Signature
    node_proof: Signature
    cosigning_proof: Signature

    def to_json(self) -> dict[str, Json]:
        """The card as it stands in genesis."""
        return {
            "validator": self.validator.to_json(),
            "operator": self.operator.to_json(),
            "proofs": {
                "consensus": self.consensus_proof.hex(),
                "node": self.node_proof.hex(),
                "cosigning": self.cosigning_proof.hex(),
            },
        }


def make_card(
    *,
    name: str,
    address: str,
    operator: Operator,
    consensus_key: SigningKey,
    node_key: SigningKey,
    cosigning_key: SigningKey,
) -> Card:
    """The card of a validator, proofs signed. Raises `MalformedError` for a name, key or address that may not be."""
    validator = Validator(
        name=name,
        operator=operator.name,
        consensus_key=consensus_key.public_key,
        node_key=node_key.public_key,
        cosigning_key=cosigning_key.public_key,
        address=address,
    )
    return _parse_card_fields(
        Card(
            validator=validator,
            operator=operator,
            consensus_proof=consensus_key.sign(_proof_bytes("consensus", validator, operator)),
            node_proof=node_key.sign(_proof_bytes("node", validator, operator)),
            cosigning_proof=cosigning_key.sign(_proof_bytes("cosigning", validator, operator)),
        ).to_json()
    )


def encode_card(card: Card) -> bytes:
    """The card as a file."""
    return encode_trusted({"kind": CARD_KIND, "version": VERSION, **card.to_json()})


def parse_card(data: bytes) -> Card:
    """The card in a file. Raises `MalformedError`, or `VerificationError` for a proof that does not verify."""
    fields = decode_object(data, bytes_max=GENESIS_BYTES_MAX, what="card")
    expect_kind(fields, CARD_KIND, VERSION)
    return _parse_card_fields({key: value for key, value in fields.items() if key not in ("kind", "version")})


@dataclass(frozen=True, slots=True)
class Genesis:
    """A parsed and verified genesis document; `document` are its canonical bytes and `chain` their hash."""

    document: bytes
    chain: Digest
    network: str
    time_ms: int
    parameters: Parameters
    accounts: tuple[Account, ...]
    validators: ValidatorSet
    state: Mapping[bytes, bytes]


@dataclass(frozen=True, slots=True)
class GenesisBlock:
    """Height 0: follows from the document alone, has no transactions and no certificate. `trie` is what it writes."""

    tip: Tip
    trie: TrieChange


def genesis_block(genesis: Genesis) -> GenesisBlock:
    """The block on which the first one of validators is built."""
    change = trie.update(trie.EMPTY, genesis.state, version=0, read=_no_node)
    header = Header(
        version=HEADER_VERSION,
        chain=genesis.chain,
        epoch=0,
        height=0,
        parent_hash=ZERO_DIGEST,
        round=0,
        proposer="",
        time_ms=genesis.time_ms,
        transaction_count=0,
        log_size=0,
        log_root=EMPTY_FRONTIER.root(),
        state_root=change.root.hash,
        validators_hash=genesis.validators.hash,
        next_validators_hash=genesis.validators.hash,
    )
    data = encode_header(header)
    return GenesisBlock(Tip(header, data, block_hash(data), EMPTY_FRONTIER, change.root), change)


def assemble_genesis(
    *,
    network: str,
    salt: bytes,
    time_ms: int,
    quorum: Quorum,
    parameters: Parameters,
    cards: tuple[Card, ...],
    administrators: tuple[str, ...],
    further_accounts: tuple[Account, ...] = (),
) -> Genesis:
    """Genesis of a network of the cards' validators.

    Operators become accounts with the role operator; those named in `administrators` (operators or
    `further_accounts`) are administrators as well. Raises `MalformedError` for what no genesis may be.
    """
    stated = [*further_accounts, *(Account(c.operator.name, c.operator.keys, c.operator.threshold, ()) for c in cards)]
    accounts: dict[str, Account] = {}
    for account in stated:
        known = accounts.setdefault(account.name, account)
        if (known.keys, known.threshold) != (account.keys, account.threshold):
            raise MalformedError(f"the account {account.name} is stated twice, with different keys")
    operators = {card.operator.name for card in cards}
    for name in (*operators, *administrators):
        if name not in accounts:
            raise MalformedError(f"the administrator {name} is not among the accounts of genesis")
        roles = set(accounts[name].roles)
        roles |= {Role.OPERATOR} if name in operators else set()
        roles |= {Role.ADMINISTRATOR} if name in administrators else set()
        accounts[name] = replace(accounts[name], roles=tuple(sorted(roles)))
    document: Json = {
        "kind": GENESIS_KIND,
        "version": VERSION,
        "network": network,
        "salt": salt.hex(),
        "time_ms": time_ms,
        "quorum": quorum.to_json(),
        "parameters": parameters.to_json(),
        "accounts": [accounts[name].to_json() for name in sorted(accounts)],
        "cards": [card.to_json() for card in cards],
    }
    return parse_genesis(encode_trusted(document))


def parse_genesis(document: bytes) -> Genesis:
    """The genesis in canonical `document`, verified: every key acceptable, every proof of possession good.

    Raises `MalformedError` or `VerificationError`.
    """
    fields = decode_object(document, bytes_max=GENESIS_BYTES_MAX, what="genesis")
    expect_kind(fields, GENESIS_KIND, VERSION)
    expect_fields(
        fields,
        what="genesis",
        required=frozenset(
            {"kind", "version", "network", "salt", "time_ms", "quorum", "parameters", "accounts", "cards"}
        ),
    )
    parse_hex(fields["salt"], size=GENESIS_SALT_BYTES, what="salt")
    card_values = expect_list(fields["cards"], what="cards", items_max=VALIDATORS_MAX, items_min=1)
    cards = tuple(_parse_card_fields(value) for value in card_values)
    account_values = expect_list(fields["accounts"], what="accounts", items_max=GENESIS_ACCOUNTS_MAX, items_min=1)
    accounts = tuple(parse_account(value) for value in account_values)
    _check_accounts(accounts, cards)
    validators = ValidatorSet(tuple(card.validator for card in cards), parse_quorum(fields["quorum"]))
    parameters = parse_parameters(fields["parameters"])
    if parameters.protocol_version > PROTOCOL_VERSION:
        raise MalformedError(
            f"protocol version {parameters.protocol_version}; this software knows versions up to {PROTOCOL_VERSION}"
        )
    network = expect_string(fields["network"], what="network", bytes_max=NAME_BYTES_MAX)
    if not network or not (network.isascii() and network.isprintable()):
        raise MalformedError("network must be a printable ASCII name")
    return Genesis(
        document=document,
        chain=digest(_GENESIS_TAG, document),
        network=network,
        time_ms=expect_integer(fields["time_ms"], what="time_ms", maximum=GENESIS_TIME_MS_MAX),
        parameters=parameters,
        accounts=accounts,
        validators=validators,
        state=initial_state(validators=validators, accounts=accounts, parameters=parameters),
    )


def _check_accounts(accounts: tuple[Account, ...], cards: tuple[Card, ...]) -> None:
    """The rules between accounts and cards that `initial_state` does not know. Raises `MalformedError`."""
    names = [account.name for account in accounts]
    if names != sorted(set(names)):
        raise MalformedError("accounts must stand in order of name, each once")
    if suspended := [account.name for account in accounts if account.suspended]:
        raise MalformedError(f"the account {suspended[0]} is suspended: nobody is before the chain has begun")
    by_name = {account.name: account for account in accounts}
    for card in cards:
        account = by_name.get(card.operator.name)
        if account is None or (account.keys, account.threshold) != (card.operator.keys, card.operator.threshold):
            raise MalformedError(f"the operator of {card.validator.name} is not an account with the keys of its card")


def _parse_operator(value: Json) -> Operator:
    """Name, keys and threshold of an account, checked as for registration. Raises `MalformedError`."""
    fields = expect_fields(value, what="operator", required=frozenset({"name", "keys", "threshold"}))
    name = parse_account_name(fields["name"], "operator")
    values = expect_list(fields["keys"], what=f"keys of {name}", items_max=KEYS_PER_ACCOUNT_MAX, items_min=1)
    keys = tuple(parse_public_key(item, f"key of {name}") for item in values)
    threshold = expect_integer(fields["threshold"], what=f"threshold of {name}", minimum=1)
    if list(keys) != sorted(keys):
        raise MalformedError(f"keys of {name} must stand in ascending order")
    if refusal := check_keys(keys, threshold):
        raise MalformedError(f"operator {name}: {refusal.detail}")
    return Operator(name, keys, threshold)


def _parse_card_fields(value: Json) -> Card:
    """A card from its JSON form, proofs verified. Raises `MalformedError` or `VerificationError`."""
    fields = expect_fields(value, what="card", required=frozenset({"validator", "operator", "proofs"}))
    validator = parse_validator(fields["validator"])
    operator = _parse_operator(fields["operator"])
    if validator.operator != operator.name:
        raise MalformedError(f"the card of {validator.name} names two operators")
    proofs = expect_fields(fields["proofs"], what="proofs", required=frozenset({"consensus", "node", "cosigning"}))
    signatures = []
    for role, key in validator.keys:
        signature = parse_signature(proofs[role], f"{role} proof of {validator.name}")
        if not verify(key, _proof_bytes(role, validator, operator), signature):
            raise VerificationError(f"the proof of possession of the {role} key of {validator.name} does not verify")
        signatures.append(signature)
    return Card(validator, operator, *signatures)


def _proof_bytes(role: str, validator: Validator, operator: Operator) -> bytes:
    """What a proof of possession signs: the role of the key, the entry and the operator."""
    return _CARD_TAG + encode_trusted({"role": role, "validator": validator.to_json(), "operator": operator.to_json()})


def _no_node(_version: int, _path: bytes) -> None:
    """The reader of a trie that has nothing yet."""
