"""`Prefer: wait=N` (RFC 7240 section 4.3): hold the answer back until outcomes are known, or time runs out.

A preference may be passed over, and is when as many requests are waiting as may: the answer then comes at once,
without Preference-Applied, and with a Retry-After so that nobody asks again in a tight loop. A preference that does
not say a number is an error, because silently not waiting would surprise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ledger.errors import MalformedError
from ledger.limits import HTTP_WAIT_SECONDS_MAX
from ledger.primitives import Digest
from node.http.call import Call
from node.http.parameters import parse_integer
from node.http.problems import HttpCode, Problem, ProblemError


def asked_to_wait(call: Call) -> int:
    """The seconds that the client prefers to wait, at most `HTTP_WAIT_SECONDS_MAX`; 0 without the preference.

    Raises `ProblemError` for a wait that is no number.
    """
    headers = call.request.headers
    if "Prefer" not in headers:
        return 0
    for preference in ",".join(headers.getall("Prefer")).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            try:
                return min(parse_integer(value.strip().strip('"')), HTTP_WAIT_SECONDS_MAX)
            except MalformedError as error:
                raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"Prefer: wait {error}")) from None
    return 0


async def wait_for(call: Call, transaction_ids: Sequence[Digest], seconds: int) -> Mapping[str, str]:
    """Wait until all outcomes are known or `seconds` are over; returns the headers that say what was done."""
    waits, address = call.context.waits, call.address
    if not waits.take(address):
        return {"Retry-After": "1"}
    try:
        async with call.context.patience(seconds):
            await call.node.wait(transaction_ids)
    except TimeoutError:
        return {"Preference-Applied": f"wait={seconds}"}
    finally:
        waits.give_back(address)
    return {"Preference-Applied": f"wait={seconds}"}
