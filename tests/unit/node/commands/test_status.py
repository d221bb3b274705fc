"""`quorum-node status`: what it says of a node, over http and https, and of whatever else answers at the URL."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from node.commands.asking import target_of
from node.commands.status_text import describe
from node.config import load
from tests.unit.node.commands.operators import assert_refused, init, quorum_node

NAMES = ["v0", "v1", "v2", "v3"]

STATUS: dict[str, object] = {
    "network": "harbour",
    "chain": "ab" * 32,
    "head": {"height": 7, "block_hash": "cd" * 32, "time_ms": 1_800_000_000_000, "time": "2027-01-15T08:00:00Z"},
    "role": "voting",
    "reason": "its consensus key is in the validator set",
    "validator": "v0",
    "n": 4,
    "q": 3,
    "tolerance": {"stopped": 1, "double_signing": 1},
    "sentence": "4 validators, quorum 3: and so on",
    "deciding": {
        "height": 8, "round": 0, "leader": "v1", "proposal_seen": False,
        "prepared": [], "committed": [], "timed_out": [], "missing": NAMES,
    },
    "explanation": "idle",
    "mempool": {"transactions": 0, "bytes": 0},
    "peers": [],
}  # fmt: skip


def linked_to(*names: str, **changes: object) -> bytes:
    peers = [{"node_key": "ef" * 32, "validator": name, "deciding": 8, "round": 0} for name in names]
    return json.dumps({**STATUS, "peers": peers, **changes}).encode()


Respond = Callable[[BaseHTTPRequestHandler], None]


def answering(body: bytes, code: int = 200) -> Respond:
    def respond(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.end_headers()
        request.wfile.write(body)

    return respond


@contextmanager
def serving(respond: Respond, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """An HTTP server on loopback; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path in ("/v1/status", "/v1/doctor")
            respond(self)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        running = threading.Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            running.join()


# ---- in words


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (linked_to("v1", "v2", "v3"), "reach      4 of 4 validators: after one more failure blocks are still appended"),
        (linked_to("v1", "v2"), "reach      3 of 4 validators: one more failure stops the chain until it is back"),
        (linked_to("v1"), "reach      2 of 4 validators: 1 too few for the quorum of 3, so nothing is appended"),
        (linked_to("v1", validator=None), "reach      1 of 4 validators: a follower needs one of them to follow"),
        (
            linked_to(validator=None),
            "reach      0 of 4 validators: a follower needs one of them to follow, and has none",
        ),
        (linked_to(), "quorum     4 validators, quorum 3: and so on"),
        (
            linked_to(),
            "one more   with 2 stopped nothing is appended until enough are back; with 2 signing two different things "
            "the chain can fork, provably by whom",
        ),
        (linked_to(n=3, q=2), "one more   with 2 stopped nothing is appended until enough are back; with 1 signing"),
        (linked_to(role="following", reason="", validator=None), "role       following\n"),
        (
            linked_to(
                pending_set_change={"proposal": 3, "activation_height": 90, "impact": {"sentence": "Now. Then."}}
            ),
            "coming     proposal 3, from height 90 on: Now. Then.\n",
        ),
        (linked_to(explanation="\x1b[2Jgone\n"), "waiting    ?[2Jgone?"),
    ],
)
def test_a_status_in_words(body: bytes, says: str) -> None:
    assert says in describe(body) + "\n"


# ---- asked


@pytest.fixture(autouse=True)
def _a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")


def test_text_for_people_and_json_for_scripts() -> None:
    with serving(answering(linked_to("v1"))) as port:
        for url in (f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/"):
            assert "height     7" in quorum_node("status", "--url", url).stdout
            shown = quorum_node("status", "--url", url, "--output", "json")
            assert json.loads(shown.stdout) == json.loads(linked_to("v1"))


def test_a_token_is_shown_to_who_wants_one_and_not_to_whom_that_one_redirects(tmp_path: Path) -> None:
    shown: list[str | None] = []

    def respond(request: BaseHTTPRequestHandler) -> None:
        shown.append(request.headers.get("Authorization"))
        if shown[-1] == f"Bearer {'a' * 40}":
            answering(linked_to("v1"))(request)
        else:
            answering(b"{}", 401)(request)

    token, other, digests = tmp_path / "token", tmp_path / "other", tmp_path / "digests"
    for path, content in ((token, "a" * 40), (other, "b" * 40), (digests, f"sha256:{'0' * 64}")):
        path.write_text(f"{content}\n")
        path.chmod(0o600)
    with serving(respond) as port:
        url = f"http://127.0.0.1:{port}"
        assert "height     7" in quorum_node("status", "--url", url, "--token-file", str(token)).stdout
        for words, says in (
            ((), "wants a bearer token: name a file that has one with --token-file"),
            (("--token-file", str(other)), "does not know the bearer token that it was shown"),
            (("--token-file", str(digests)), "has no token that can be shown"),
        ):
            assert_refused(quorum_node("status", "--url", url, *words), 2, says)

        def redirect(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", f"{url}/v1/status")
            request.end_headers()

        shown.clear()
        with serving(redirect) as elsewhere:
            quorum_node("status", "--url", f"http://127.0.0.1:{elsewhere}", "--token-file", str(token))
        assert shown == [None]


def test_nothing_that_is_answered_moves_the_cursor_of_a_terminal() -> None:
    hostile = "\x9b2J\u202e\U0001f512\x7f\u00e9"
    status = {**STATUS, "explanation": hostile, "more": [hostile]}
    body = json.dumps(status, ensure_ascii=False, separators=(",\r\t", ":")).encode()
    with serving(answering(body)) as port:
        shown = quorum_node("status", "--url", f"http://127.0.0.1:{port}", "--output", "json").stdout
        assert json.loads(shown) == json.loads(body)
        assert shown.isascii()
        assert shown.rstrip("\n").isprintable()
    said = {"sentence": hostile, "remedy": hostile, "validators": [hostile], "for_ms": None}
    found = {"code": "stalled", "severity": "error", **said}
    with serving(answering(json.dumps({"healthy": False, "findings": [found]}).encode())) as port:
        shown = quorum_node("doctor", "--url", f"http://127.0.0.1:{port}", "--output", "json").stdout
        assert json.loads(shown)["findings"] == [found]
        assert shown.replace("\n", "").isprintable()

    def refuse(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.0 500 \x1b]0;pwned\x07\x9b2J\r\n\r\n")

    with serving(refuse) as port:
        ended = quorum_node("status", "--url", f"http://127.0.0.1:{port}")
        assert_refused(ended, 14, "it answered 500 ?]0;pwned??2J")
        assert ended.stderr.rstrip("\n").isprintable()


def test_the_node_of_a_home_is_asked_without_a_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy")
    with serving(answering(linked_to())) as port:
        assert init(tmp_path / "acme", "acme", "--api-listen", f"127.0.0.1:{port}").code == 0
        assert quorum_node("status", "--home", tmp_path / "acme").code == 0
        monkeypatch.setenv("QUORUM_NODE_HOME", str(tmp_path / "acme"))
        assert "height     7" in quorum_node("status").stdout


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    ("respond", "says"),
    [
        (answering(b"<html>"), "is not the API of a quorum-node (its answer is no status of a node)"),
        (answering(b""), "is not the API of a quorum-node"),
        (answering(b"\xff\xfe"), "is not the API of a quorum-node"),
        (answering(b"[]"), "is not the API of a quorum-node"),
        (answering(b'{"height":1}'), "is not the API of a quorum-node"),
        (answering(linked_to(head={"height": "7"})), "is not the API of a quorum-node"),
        (answering(linked_to()[:-9]), "is not the API of a quorum-node"),
        (answering(b"not here", 404), "is not the API of a quorum-node (it answered 404 Not Found)"),
        (answering(b"oh", 500), "(it answered 500 Internal Server Error)"),
        (answering(b" " * (4 * 1024 * 1024 + 1)), "it sent more than 4194304 bytes"),
        (lambda request: request.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n"), "it does not speak HTTP as expected"),
        (lambda request: request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1000), "speak HTTP as expected"),
        (lambda _: None, "no answer from"),
    ],
)
def test_whatever_else_answers_is_no_node(respond: Respond, says: str, output: str) -> None:
    with serving(respond) as port:
        assert_refused(quorum_node("status", "--url", f"http://127.0.0.1:{port}", "--output", output), 14, says)


def test_nobody_answers() -> None:
    with serving(answering(b"")) as port:
        pass
    ended = quorum_node("status", "--url", f"http://127.0.0.1:{port}")
    assert_refused(ended, 14, "connection refused. Is the node running (quorum-node start)?")


def test_no_answer_within_the_time() -> None:
    """Both a server that says nothing and one that never comes to an end."""
    ended = threading.Event()

    def dripping(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while not ended.wait(0.01):
            request.wfile.write(b" ")

    for respond in (lambda _: ended.wait(), dripping):
        ended.clear()
        with serving(respond) as port:
            asked = quorum_node("status", "--url", f"http://127.0.0.1:{port}", "--timeout", "0.2")
            ended.set()
        assert_refused(asked, 14, "nothing within 0.2 s; a longer --timeout")


# ---- TLS


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1, one for another name, and their keys."""
    directory = tmp_path_factory.mktemp("tls")
    for name, subject in (("here", "IP:127.0.0.1"), ("elsewhere", "DNS:ledger.example")):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ed25519", "-nodes", "-days", "2", "-subj", f"/CN={name}",
             "-addext", f"subjectAltName={subject}", "-keyout", f"{name}.key", "-out", f"{name}.crt"],
            cwd=directory, check=True, capture_output=True,
        )  # fmt: skip
    return directory


def server_context(certificates: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / f"{name}.crt", certificates / f"{name}.key")
    return context


def test_an_own_certificate_is_trusted_when_it_is_named(certificates: Path) -> None:
    with serving(answering(linked_to()), server_context(certificates, "here")) as port:
        url = f"https://127.0.0.1:{port}"
        assert_refused(quorum_node("status", "--url", url), 14, "name it, or its authority, with --ca FILE")
        assert quorum_node("status", "--url", url, "--ca", certificates / "here.crt").code == 0
        other = quorum_node("status", "--url", url, "--ca", certificates / "elsewhere.crt")
        assert_refused(other, 14, "with --ca FILE")
        ended = quorum_node("status", "--url", url, "--ca", certificates / "here.key")
        assert_refused(ended, 2, "holds no certificates that can be used")
        plain = quorum_node("status", "--url", f"http://127.0.0.1:{port}")
        assert_refused(plain, 14, "no answer from")
    with serving(answering(linked_to()), server_context(certificates, "elsewhere")) as port:
        named = ("--ca", certificates / "elsewhere.crt")
        assert_refused(quorum_node("status", "--url", f"https://127.0.0.1:{port}", *named), 14, "IP address mismatch")
    with serving(answering(linked_to())) as port:
        ended = quorum_node("status", "--url", f"https://127.0.0.1:{port}")
        assert_refused(ended, 14, "it does not speak TLS as expected; is it an http URL?")
        ended = quorum_node("status", "--url", f"http://127.0.0.1:{port}", "--ca", certificates / "here.crt")
        assert_refused(ended, 2, "--ca is for https URLs")


def tls_home(home: Path, certificates: Path, name: str, listen: str) -> None:
    """A validator whose API is at `listen`, with the certificate `name`."""
    assert init(home, "acme").code == 0
    text = (home / "node.toml").read_text().replace("127.0.0.1:8470", listen)
    named = "\n".join(
        f'tls_{what} = "{certificates / name}.{end}"' for what, end in (("certificate", "crt"), ("key", "key"))
    )
    (home / "node.toml").write_text(text.replace("[api]", f"[api]\n{named}"))


def test_the_certificate_of_a_home_is_trusted_whatever_it_is_for_and_no_other_is(
    tmp_path: Path, certificates: Path
) -> None:
    with serving(answering(linked_to()), server_context(certificates, "elsewhere")) as port:
        tls_home(tmp_path / "own", certificates, "elsewhere", f"0.0.0.0:{port}")
        assert quorum_node("status", "--home", tmp_path / "own").code == 0
        assert quorum_node("config", "check", "--home", tmp_path / "own").code == 0
        tls_home(tmp_path / "other", certificates, "here", f"127.0.0.1:{port}")
        assert_refused(quorum_node("status", "--home", tmp_path / "other"), 14, "no answer from https://127.0.0.1")
        own = quorum_node("status", "--home", tmp_path / "own", "--ca", certificates / "here.crt")
        assert_refused(own, 2, "--ca goes with --url")


@pytest.mark.parametrize(
    ("listen", "url"),
    [("0.0.0.0:8470", "https://127.0.0.1:8470"), ("[::]:8470", "https://[::1]:8470"), ("host:1", "https://host:1")],
)
def test_a_node_that_listens_everywhere_is_asked_on_loopback(
    tmp_path: Path, certificates: Path, listen: str, url: str
) -> None:
    tls_home(tmp_path / "acme", certificates, "here", listen)
    assert target_of(load(tmp_path / "acme" / "node.toml")).url == url
