"""Shares of a bounded resource: so many in all, and so many for each client address.

An address is what a client cannot multiply at will: an IPv4 address, or the /64 network of an IPv6 one.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(maxsize=4_096)
def client_address(remote: str | None) -> str:
    """The key under which a client's shares are counted; a unix socket has none and is one client."""
    if not remote:
        return "local"
    if ":" not in remote:
        return remote
    address = ipaddress.IPv6Address(remote.partition("%")[0])
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))


class Allowance:
    """Counts what is taken of one resource. A share is taken, and given back exactly once."""

    __slots__ = ("_by_address", "_per_address_max", "_total_max", "total")

    def __init__(self, *, total_max: int, per_address_max: int) -> None:
        self._total_max = total_max
        self._per_address_max = per_address_max
        self._by_address: dict[str, int] = {}
        self.total = 0

    def has_room(self, address: str, amount: int = 1) -> bool:
        """Whether both bounds leave `amount` for `address`."""
        taken = self._by_address.get(address, 0)
        return self.total + amount <= self._total_max and taken + amount <= self._per_address_max

    def take(self, address: str, amount: int = 1) -> bool:
        """Take `amount` for `address`, or nothing and return False when that is more than either bound leaves."""
        if not self.has_room(address, amount):
            return False
        self._by_address[address] = self._by_address.get(address, 0) + amount
        self.total += amount
        return True

    def give_back(self, address: str, amount: int = 1) -> None:
        """Give back what `take` granted."""
        left = self._by_address[address] - amount
        assert left >= 0
        self.total -= amount
        if left:
            self._by_address[address] = left
        else:
            del self._by_address[address]
