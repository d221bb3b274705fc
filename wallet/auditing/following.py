"""Following a chain from what is pinned to a later block, by a node's light updates, of which none is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.light_client import LightClient
    from ledger.trail import Anchor
    from ledger.validators import ValidatorSet
    from wallet.client import Client


async def follow(client: Client, anchor: Anchor, to_height: int) -> LightClient:
    """What is known of the chain at block `to_height`, which is above the anchor.

    Raises `WalletError`: 10 where what the node sends does not hold, 12 and 14 from the node or its absence.
    """
    from ledger.errors import MalformedError
    from wallet.client.following import Follower
    from wallet.exit_codes import verification_error

    follower = Follower(anchor)
    try:
        await follower.advance(client, to_height)
    except MalformedError as error:
        raise verification_error(
            f"What leads on from block {follower.light.height} does not verify: {error}.",
            remedy="Do not rely on it. Check that what is pinned is the right one, and ask another node.",
        ) from None
    return follower.light


async def validators_after(client: Client, light: LightClient) -> ValidatorSet:
    """The set that signs the block after the head. Where the head has decided another one, a node is asked for it; the
    head has its hash. Raises `WalletError`.
    """
    from ledger.errors import MalformedError
    from ledger.validators import VALIDATOR_FIELDS, parse_validator_set
    from wallet.answers import as_object

    if light.validators is not None:
        return light.validators
    assert light.head is not None, "an anchor says which set signs next"
    wanted = light.head.header.next_validators_hash

    def parse(value: Json) -> ValidatorSet:
        answer = as_object(value, "the validator set")
        listed = answer.get("validators")
        entries = [as_object(item, "a validator") for item in listed] if isinstance(listed, list) else []
        validators = parse_validator_set(
            {
                "quorum": answer.get("quorum"),
                "validators": [{name: item.get(name) for name in VALIDATOR_FIELDS} for item in entries],
            }
        )
        if validators.hash != wanted:
            raise MalformedError("the node names another validator set than the block decided")
        return validators

    return await client.get("/v1/validators", parse, {"height": light.height})
