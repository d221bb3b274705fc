"""Files of bearer tokens: what they may hold, who may read them, and what is named when one is wrong."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from ledger.limits import HTTP_TOKENS_MAX
from node.api_tokens import first_token, load_access
from node.config import Config, ConfigError, load
from node.http.access import OPEN
from node.identity import IdentityError

ONE, TWO = "a" * 40, "b" * 40
DIGEST = f"sha256:{sha256(TWO.encode()).hexdigest()}"


def configured(home: Path, *files: str, more: str = "") -> Config:
    path = home / "node.toml"
    path.write_text(f"[api]\ntoken_files = {list(files)}\n{more}".replace("'", '"'))
    return load(path)


def written(home: Path, name: str, content: str, mode: int = 0o600) -> Path:
    path = home / name
    path.write_text(content)
    path.chmod(mode)
    return path


def digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


def test_without_files_all_is_open(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("")
    assert load_access(load(path)) == OPEN


def test_tokens_and_digests_of_several_files(tmp_path: Path) -> None:
    written(tmp_path, "one", f"# who: ann\n{ONE}   # taken back in May\n\n")
    written(tmp_path, "two", f"{DIGEST}\r\n{ONE}\n")
    access = load_access(configured(tmp_path, "one", "two", more="open_metrics = true"))
    assert access.tokens == (digest(ONE), digest(TWO))
    assert (access.open_metrics, access.open_submission) == (True, False)


def test_the_first_token_is_one_that_can_be_shown(tmp_path: Path) -> None:
    digests, plain = written(tmp_path, "d", DIGEST), written(tmp_path, "p", f"{DIGEST}\n{ONE}\n{TWO}\n")
    assert first_token([digests, plain]) == ONE
    assert first_token([digests]) is None
    assert first_token([]) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "has no token: nobody could read the API"),
        ("# nothing\n", "has no token"),
        ("short\n", "line 1: a token has 32 to 512"),
        (f"{ONE}\nsha256:{'0' * 63}\n", "line 2: sha256: is followed by 64"),
        (f"{ONE} {TWO}\n", "line 1: a token has"),
        ("ä" * 40, "it is not ASCII"),
        ("".join(f"{number:040}\n" for number in range(HTTP_TOKENS_MAX + 1)), f"more than {HTTP_TOKENS_MAX}"),
        ("x" * 2_000_000, "too large"),
    ],
)
def test_what_is_wrong_is_named_and_no_token_is_told(tmp_path: Path, content: str, says: str) -> None:
    written(tmp_path, "tokens", content)
    with pytest.raises(IdentityError, match=says) as caught:
        load_access(configured(tmp_path, "tokens"))
    assert "tokens" in str(caught.value)
    assert ONE not in str(caught.value)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    written(tmp_path, "tokens", ONE, mode)
    with pytest.raises(IdentityError, match="chmod 600"):
        load_access(configured(tmp_path, "tokens"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(IdentityError, match="nowhere cannot be read"):
        load_access(configured(tmp_path, "nowhere"))


@pytest.mark.parametrize("setting", ["open_submission", "open_metrics"])
def test_what_is_opened_without_being_closed_is_an_error(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="go with api"):
        configured(tmp_path, more=f"{setting} = true")
