"""Operations on accounts that are refused: what is wrong with each, and its code."""

from __future__ import annotations

from typing import Final

from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.primitives import PublicKey
from ledger.refusals import Code
from tests.unit.ledger.members import key_of
from tests.unit.ledger.operations.acting import RefusedOperation

A, B = (key_of(label).public_key for label in "ab")
SMALL_ORDER = PublicKey((1).to_bytes(32, "little"))
NOT_ON_CURVE = PublicKey((2).to_bytes(32, "little"))
NOT_CANONICAL = PublicKey((2**255 - 18).to_bytes(32, "little"))

REFUSED: Final[list[RefusedOperation]] = [
    # account.add: who may
    ("a member adds at the top level", AccountAdd("globex", "bob", (A,), 1), Code.PERMISSION_DENIED),
    ("a member adds under another", AccountAdd("globex", "bob.acme", (A,), 1), Code.PERMISSION_DENIED),
    ("a child adds beside itself", AccountAdd("alice.acme", "bob.acme", (A,), 1), Code.PERMISSION_DENIED),
    ("an ancestor that is not the parent", AccountAdd("globex", "x.y.globex", (A,), 1), Code.PERMISSION_DENIED),
    ("a parent gives a role", AccountAdd("globex", "x.globex", (A,), 1, ("operator",)), Code.PERMISSION_DENIED),
    ("an operator is no administrator", AccountAdd("org", "bob", (A,), 1), Code.PERMISSION_DENIED),
    ("a registrar gives a role", AccountAdd("desk", "bob", (A,), 1, ("treasurer",)), Code.PERMISSION_DENIED),
    ("a treasurer is no registrar", AccountAdd("mint", "bob", (A,), 1), Code.PERMISSION_DENIED),
    # account.add: roles that come by proposal only
    ("a new administrator", AccountAdd("acme", "bob", (A,), 1, ("administrator",)), Code.ROLE_GOVERNED),
    ("a new operator", AccountAdd("acme", "bob", (A,), 1, ("operator", "treasurer")), Code.ROLE_GOVERNED),
    ("an operator under oneself", AccountAdd("acme", "bob.acme", (A,), 1, ("operator",)), Code.ROLE_GOVERNED),
    # account.add: names
    ("a name that is used", AccountAdd("acme", "globex", (A,), 1), Code.ACCOUNT_EXISTS),
    ("a suspended account's name", AccountAdd("acme", "closed", (A,), 1), Code.ACCOUNT_EXISTS),
    ("one's own name", AccountAdd("acme", "acme", (A,), 1), Code.ACCOUNT_EXISTS),
    ("under nobody", AccountAdd("acme", "bob.nobody", (A,), 1), Code.ACCOUNT_UNKNOWN),
    # account.add: keys
    ("a key of small order", AccountAdd("acme", "bob", (A, SMALL_ORDER), 1), Code.KEY_UNACCEPTABLE),
    ("a key off the curve", AccountAdd("acme", "bob", (NOT_ON_CURVE,), 1), Code.KEY_UNACCEPTABLE),
    ("a key that is not canonical", AccountAdd("acme", "bob", (NOT_CANONICAL,), 1), Code.KEY_UNACCEPTABLE),
    ("a key twice", AccountAdd("acme", "bob", (A, B, A), 1), Code.KEY_IN_USE),
    ("a threshold of none", AccountAdd("acme", "bob", (A, B), 0), Code.THRESHOLD_IMPOSSIBLE),
    ("a threshold above the keys", AccountAdd("acme", "bob", (A, B), 3), Code.THRESHOLD_IMPOSSIBLE),
    # account.keys
    ("changing to a key of small order", AccountKeys("globex", (SMALL_ORDER,), 1), Code.KEY_UNACCEPTABLE),
    ("changing to a key twice", AccountKeys("globex", (A, A), 1), Code.KEY_IN_USE),
    ("changing to a threshold of none", AccountKeys("globex", (A,), 0), Code.THRESHOLD_IMPOSSIBLE),
    ("changing to a threshold above the keys", AccountKeys("globex", (A,), 2), Code.THRESHOLD_IMPOSSIBLE),
]
