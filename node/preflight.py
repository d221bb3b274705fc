"""What would keep a node from starting though its files are right: found before anything is opened.

A port can still be taken between this check and the start; the check is there for the message, not for safety.
"""

from __future__ import annotations

import resource
import socket
import ssl

from ledger.limits import HTTP_CONNECTIONS_MAX, HTTP_HANDSHAKES_MAX, PEER_HANDSHAKES_MAX, PEER_LINKS_MAX
from node.config import Config, ConfigError, Endpoint

OPEN_FILES = HTTP_CONNECTIONS_MAX + HTTP_HANDSHAKES_MAX + 2 * PEER_LINKS_MAX + PEER_HANDSHAKES_MAX + 512
"""Files that a node has open at most: connections as many as may be (two of a peer while one replaces the other), and
the database, its tables and all the rest."""


class PortError(Exception):
    """A port that the node cannot listen on. The message names the setting and says what to do."""


def check_port(endpoint: Endpoint, setting: str) -> None:
    """Raise `PortError`, naming the `setting`, unless this machine can listen on `endpoint` now."""
    try:
        found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise PortError(f"{setting} = {str(endpoint)!r}: {endpoint.host} is no address of this machine") from error
    for family, _, _, _, address in found:
        try:
            socket.create_server((str(address[0]), int(address[1])), family=family).close()
        except OSError as error:
            raise PortError(
                f"{setting} = {str(endpoint)!r}: cannot listen there ({_reason(error)}): "
                "is this node, or another one, already running? Stop it, or set another port"
            ) from error


def check_certificate(config: Config) -> None:
    """Raise `ConfigError` unless the certificate and key of the HTTP API, if it has them, belong together."""
    if config.api_tls_certificate_path is None:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # A password is given so that OpenSSL never asks for one at the terminal: a node starts without a person.
        context.load_cert_chain(config.api_tls_certificate_path, config.api_tls_key_path, password="")
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"{config.path}: api.tls_certificate and api.tls_key cannot be used ({_reason(error)}): both must be PEM "
            "files that this user can read, the key without a passphrase"
        ) from error


def allow_open_files() -> int:
    """Raise this process's limit of open files to `OPEN_FILES`, or as far as the system lets it; the limit of now.

    Below that, clients that connect take the files that the database needs, and a database that cannot open its files
    ends the node.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= OPEN_FILES:
        return OPEN_FILES if soft == resource.RLIM_INFINITY else soft
    allowed = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    return allowed


def _reason(error: OSError) -> str:
    """The system's words, without the address or number that some add."""
    return (error.strerror or str(error)).split(" (while", maxsplit=1)[0].lower()
