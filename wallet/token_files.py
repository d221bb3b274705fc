"""Reading a file of bearer tokens: as secret as a key, so one that others may read is refused."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ledger.errors import MalformedError
from ledger.limits import KIB
from wallet.exit_codes import usage_error
from wallet.keys import refuse_if_others_can_read

if TYPE_CHECKING:
    from pathlib import Path

    from wallet.client.tokens import Tokens

TOKEN_FILE_BYTES_MAX = 64 * KIB


def load_tokens(path: Path) -> Tokens:
    """The tokens in the file at `path`. Raises `WalletError`: 15 when others may read it, 2 for anything else."""
    from wallet.client.tokens import parse_tokens

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise usage_error(f"The token file {path} cannot be read: {error.strerror}.", code="file") from None
    with os.fdopen(descriptor, "rb") as file:
        refuse_if_others_can_read(descriptor, path)
        data = file.read(TOKEN_FILE_BYTES_MAX + 1)
    try:
        if len(data) > TOKEN_FILE_BYTES_MAX:
            raise MalformedError(f"it has more than {TOKEN_FILE_BYTES_MAX} bytes")
        return parse_tokens(data.decode("ascii"))
    except (MalformedError, UnicodeDecodeError) as error:
        reason = str(error) if isinstance(error, MalformedError) else "it is not ASCII"
        raise usage_error(f"The token file {path} cannot be used: {reason}.", code="file") from None
