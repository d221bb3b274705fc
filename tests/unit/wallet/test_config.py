"""Configuration: strict, and in a stated order of precedence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.wallet.conftest import Run
from wallet import config
from wallet.exit_codes import ExitCode, WalletError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[profiles.default]\nnodez = []\n", "Did you mean 'nodes'?"),
        ("[profiles.default]\ngenesis_has = 'x'\n", "Did you mean 'genesis_hash'?"),
        ("[profile.default]\n", "Did you mean 'profiles'?"),
        ("[profiles.default]\nzzz = 1\n", "Known keys: nodes,"),
        ("[profiles.default]\nnodes = 'http://a'\n", "must be a list of strings"),
        ("[profiles.default]\naccount = 3\n", "must be a string"),
        ("profiles = 3\n", "profiles a table"),
        ("[profiles\n", "is not TOML"),
        ("profiles = " + 1_000 * "[", "is not TOML"),
        ("profiles = " + 5_000 * "9", "is not TOML"),
        ("default_profile = 'gone'\n[profiles.main]\n", None),
        ("[profiles.default]\nnodes = ['gopher://x']\n", "is not the URL of a node"),
        ("[profiles.default]\ntimeout = 'soon'\n", "is no timeout"),
    ],
)
def test_a_wrong_file_is_an_error_that_names_what_is_wrong(run: Run, home: Path, text: str, said: str | None) -> None:
    (home / "config.toml").write_text(text)
    result = run("status")
    assert result.exit_code == ExitCode.USAGE
    if said is not None:
        assert said in result.stderr


def test_flag_beats_environment_beats_profile_beats_default(
    run: Run, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def timeout(*arguments: str) -> str:
        return run("config", "get", "timeout", *arguments).stdout.strip()

    assert timeout() == "60"
    run("config", "set", "timeout", "50")
    assert timeout() == "50"
    monkeypatch.setenv("QUORUM_TIMEOUT", "40")
    assert timeout() == "40"
    assert timeout("--timeout", "30") == "30"
    assert run("--timeout", "20", "config", "get", "timeout").stdout.strip() == "20"


def test_lists_come_from_the_environment_by_comma(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUORUM_NODE", "http://a:1, http://b:2,")
    assert run("config", "get", "nodes").stdout.split() == ["http://a:1", "http://b:2"]


def test_profiles_are_apart_and_one_that_does_not_exist_is_an_error(run: Run, home: Path) -> None:
    run("config", "set", "account", "acme")
    created = run("config", "set", "account", "test-acme", "--profile", "test")
    assert created.exit_code == ExitCode.OK, created.stderr
    assert run("config", "get", "account").stdout.strip() == "acme"
    assert run("config", "get", "account", "--profile", "test").stdout.strip() == "test-acme"
    missing = run("config", "get", "account", "--profile", "tset")
    assert missing.exit_code == ExitCode.USAGE
    assert "config set --profile tset" in missing.stderr


def test_set_and_get_refuse_unknown_keys_with_a_suggestion(run: Run, home: Path) -> None:
    for arguments in (("set", "acount", "acme"), ("get", "acount")):
        result = run("config", *arguments)
        assert result.exit_code == ExitCode.USAGE
        assert "Did you mean 'account'?" in result.stderr
    assert run("config", "set", "account", "a", "b").exit_code == ExitCode.USAGE
    assert not (home / "config.toml").exists()


def test_path_says_where_things_are(run: Run, home: Path) -> None:
    facts = json.loads(run("config", "path", "--output", "json").stdout)
    assert facts["config"] == str(home / "config.toml")
    assert facts["keys"] == str(home / "keys")


@given(
    profiles=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,5}", fullmatch=True),
        st.fixed_dictionaries({}, optional={"account": TEXT, "nodes": st.lists(TEXT, max_size=3).map(tuple)}),
        max_size=3,
    )
)
def test_what_is_saved_is_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, profiles: dict[str, dict[str, config.Value]]
) -> None:
    saved = config.Config(tmp_path_factory.mktemp("c") / "config.toml", "main", profiles)
    config.save(saved)
    assert config.load(saved.path) == saved


def test_the_file_is_private(home: Path) -> None:
    changed = config.with_value(config.load(home / "new" / "config.toml"), "main", "account", ("acme",))
    config.save(changed)
    assert (changed.path.stat().st_mode & 0o777, changed.path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_a_profile_name_that_toml_could_misread_is_refused(home: Path) -> None:
    with pytest.raises(WalletError):
        config.with_value(config.load(home / "config.toml"), "a.b", "account", ("acme",))
