"""Asking a node's HTTP API: one bounded GET, with a deadline for the whole answer and not for each read.

Whoever is asked may be anything that listens on the port: nothing about the answer is taken for granted.
"""

from __future__ import annotations

import http
import http.client
import ipaddress
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path

import click

from node.api_tokens import first_token
from node.commands.failures import CommandError, ExitCode
from node.commands.options import load_config
from node.config import Config, ConfigError, Endpoint

_ANSWER_BYTES_MAX = 4 * 1024 * 1024
_READ_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """Where an API is, and how to know that it is the right one; `local` targets are never asked through a proxy.

    `token` is the bearer token that it is shown, if any.
    """

    url: str
    tls: ssl.SSLContext | None
    local: bool
    token: str | None = None


def chosen_target(home: Path, url: str | None, authority: Path | None, token_file: Path | None = None) -> Target:
    """The API at `url`, or without one that of the node in `home`. Raises like `target_at` and `target_of`.

    The token is the first one in `token_file`; for the node in `home`, without it, the first in its own files.
    """
    token = None if token_file is None else _token_in(token_file)
    if url is not None:
        return replace(target_at(url, authority), token=token)
    if authority is not None:
        raise click.UsageError("--ca goes with --url; the certificate of the node in --home is trusted anyway")
    target = target_of(load_config(home))
    return target if token is None else replace(target, token=token)


def target_of(config: Config) -> Target:
    """The API of the node of this configuration: loopback where it listens everywhere, its own certificate trusted.

    Raises `ConfigError` when its certificate cannot be read, and `IdentityError` when its tokens cannot.
    """
    return replace(_address_of(config), token=first_token(config.api_token_paths))


def _address_of(config: Config) -> Target:
    endpoint = _reachable(config.api_listen)
    certificate = config.api_tls_certificate_path
    if certificate is None:
        return Target(f"http://{endpoint}", None, local=True)
    return Target(f"https://{endpoint}", _pinned(certificate), local=True)


def target_at(url: str, authority: Path | None) -> Target:
    """The API at a URL; `authority` is a PEM file whose certificates are trusted instead of the system's.

    Raises `CommandError` for what is no URL of an API, or no such file.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url or parts.query or parts.fragment:
        raise CommandError(f"{url!r} is not the URL of an API: write it like http://127.0.0.1:8470", ExitCode.USAGE)
    if authority is None:
        return Target(url, None, local=False)
    if parts.scheme != "https":
        raise CommandError("--ca is for https URLs", ExitCode.USAGE)
    try:
        return Target(url, ssl.create_default_context(cafile=authority), local=False)
    except (OSError, ssl.SSLError) as error:
        raise CommandError(
            f"{authority} holds no certificates that can be used ({error.strerror or error}): it must be a PEM file",
            ExitCode.USAGE,
        ) from error


def ask(target: Target, path: str, *, timeout_seconds: float) -> bytes:
    """The body of the answer to `GET path`. Raises `CommandError` (14) when there is none that can be used."""
    deadline = time.monotonic() + timeout_seconds
    request = urllib.request.Request(target.url.rstrip("/") + path)  # noqa: S310 - target_at lets only http(s) in
    if target.token is not None:  # shown to whom it is for, and not to whom that one may redirect
        request.add_unredirected_header("Authorization", f"Bearer {target.token}")
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=target.tls)]
    if target.local:
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=timeout_seconds) as answer:
            body = bytearray()
            while piece := answer.read1(_READ_BYTES):
                body += piece
                if time.monotonic() > deadline:
                    raise TimeoutError
                if len(body) > _ANSWER_BYTES_MAX:
                    raise not_a_ledger(target, f"it sent more than {_ANSWER_BYTES_MAX} bytes")
            return bytes(body)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.UNAUTHORIZED:
                raise _unauthorised(target) from None
            raise not_a_ledger(target, f"it answered {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _unreachable(target, error, timeout_seconds) from error


def not_a_ledger(target: Target, what: str) -> CommandError:
    """What is at the URL answers, but not as a node does."""
    return CommandError(
        f"{target.url} is not the API of a quorum-node ({what}): name the API's address, api.listen in node.toml",
        ExitCode.NODE_UNREACHABLE,
    )


def _unauthorised(target: Target) -> CommandError:
    """The API wants a bearer token, or another one."""
    what = "wants a bearer token" if target.token is None else "does not know the bearer token that it was shown"
    return CommandError(
        f"{target.url} {what}: name a file that has one with --token-file, or QUORUM_TOKEN_FILE "
        "(a node's own api.token_files serve only if a token stands there as itself, not as sha256:...)",
        ExitCode.USAGE,
    )


def _token_in(path: Path) -> str:
    token = first_token([path])
    if token is None:
        raise CommandError(f"{path} has no token that can be shown: digests are what nodes keep", ExitCode.USAGE)
    return token


def _unreachable(target: Target, error: OSError | http.client.HTTPException, timeout_seconds: float) -> CommandError:
    """Why there was no answer, and what to do about it."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    match reason:
        case ssl.SSLCertVerificationError():
            text = f"{reason.verify_message}; if the certificate is your own, name it, or its authority, with --ca FILE"
        case ssl.SSLError():
            text = "it does not speak TLS as expected; is it an http URL?"
        case TimeoutError():
            text = f"nothing within {timeout_seconds:g} s; a longer --timeout, or its log, may help"
        case http.client.HTTPException():
            text = "it does not speak HTTP as expected; is it an https URL, or the port for peers?"
        case OSError():
            text = f"{(reason.strerror or str(reason)).lower()}. Is the node running (quorum-node start)?"
        case _:
            text = str(reason)
    return CommandError(f"no answer from {target.url}: {text}", ExitCode.NODE_UNREACHABLE)


def _pinned(certificate: Path) -> ssl.SSLContext:
    """Trust exactly the first certificate in the node's own file, whatever name it is for and whoever signed it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        text = certificate.read_text(encoding="ascii")
        begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        context.load_verify_locations(cadata=text[begin:end])
    except (OSError, ValueError, ssl.SSLError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigError(
            f"api.tls_certificate {certificate} cannot be used ({reason or 'no PEM certificate in it'})"
        ) from error
    return context


def _reachable(listen: Endpoint) -> Endpoint:
    """An address of this machine under which a listener is reached: a wildcard is none."""
    try:
        address = ipaddress.ip_address(listen.host)
    except ValueError:
        return listen
    if not address.is_unspecified:
        return listen
    return Endpoint("127.0.0.1" if address.version == 4 else "::1", listen.port)
