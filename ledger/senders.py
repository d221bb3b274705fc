"""Who sends a transaction: an account by its name, or a validator as `validator:<name>`.

No name of an account has a colon, so neither can be mistaken for the other. A validator as sender signs with its node
key and may do one thing only, record evidence (`ledger.operations.evidence`): it is no member, and may do nothing that
an account may. [safety]
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ledger.encoding import Json
from ledger.limits import NAME_BYTES_MAX
from ledger.names import parse_account_name
from ledger.validators import VALIDATOR_NAME_PATTERN, parse_validator_name

VALIDATOR_SENDER_PREFIX: Final = "validator:"

SENDER_BYTES_MAX: Final = len(VALIDATOR_SENDER_PREFIX) + NAME_BYTES_MAX

VALIDATOR_SENDER_PATTERN: Final = VALIDATOR_SENDER_PREFIX + VALIDATOR_NAME_PATTERN
"""The form of a validator as sender as a regular expression (to be matched in full), for documentation."""


def parse_sender(value: Json) -> str:
    """`value` as the sender of a transaction. Raises `MalformedError`."""
    return _known(value) if isinstance(value, str) else parse_account_name(value, "sender")


# The same few are in every transaction; what is none raises, and is not remembered.
@lru_cache(maxsize=4_096)
def _known(text: str) -> str:
    if not is_validator_sender(text):
        return parse_account_name(text, "sender")
    parse_validator_name(sending_validator(text))
    return text


def is_validator_sender(sender: str) -> bool:
    """Whether `sender`, or the `by` of an operation, is a validator and no account."""
    return sender.startswith(VALIDATOR_SENDER_PREFIX)


def validator_sender(name: str) -> str:
    """The validator called `name` as a sender."""
    return VALIDATOR_SENDER_PREFIX + name


def sending_validator(sender: str) -> str:
    """The name of the validator that sends as `sender`."""
    return sender[len(VALIDATOR_SENDER_PREFIX) :]
