"""The configuration file, the environment, and the directories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agentless.config import Config, cache_dir, config_dir, load
from agentless.errors import ConfigError, UsageError


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def test_without_a_file_everything_is_at_its_default(tmp_path: Path) -> None:
    assert load(environ={"HOME": str(tmp_path)}) == Config()
    assert (Config().forks, Config().connect_timeout, Config().keep_jobs, Config().keep_returns) == (100, None, 24, 168)
    assert Config().output_cap == 10 * 1024 * 1024


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("forks", -1),
        ("forks", None),
        ("forks", True),
        ("keep_connections", float("inf")),
        ("keep_jobs", float("nan")),
        ("max_cache_size", 0),
        ("max_cache_size", "500MiB"),
        ("connect_timeout", "3"),
        ("become", "yes"),
        ("become_method", "runas"),
        ("spread", "nowhere"),
        ("user", ""),
        ("inventory", "web1,"),
        ("inventory", (5,)),
    ],
)
def test_a_config_made_by_hand_is_checked_as_the_file_is(key: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"Config: {key}: .* needed|not a duration"):
        Config(**{key: value})  # type: ignore[arg-type]


def test_an_empty_file_and_one_with_only_comments_say_nothing(tmp_path: Path) -> None:
    for text in ("", "# forks: 3\n", "---\n"):
        path = _file(tmp_path, text)
        assert load(path, {"HOME": "/h"}) == Config(source=str(path))


def test_every_key_is_read(tmp_path: Path) -> None:
    text = """
forks: 50
connect_timeout: 2.5
host_key_checking: accept-new
user: ada
private_key: ~/.ssh/fleet
become: true
become_user: deploy
become_method: doas
inventory: [prod.yaml, /etc/hosts.yaml, 'web1,web2', ~/inv]
schedule_file: schedule.yaml
keep_jobs: 48
max_cache_size: 500MiB
keep_returns: 72
keep_bytes: 1 GB
output_cap: 65536
"""
    assert load(_file(tmp_path, text), {"HOME": "/home/ada"}) == Config(
        forks=50,
        connect_timeout=2.5,
        host_key_checking="accept-new",
        user="ada",
        private_key="/home/ada/.ssh/fleet",
        become=True,
        become_user="deploy",
        become_method="doas",
        inventory=(str(tmp_path / "prod.yaml"), "/etc/hosts.yaml", "web1,web2", "/home/ada/inv"),
        schedule_file=str(tmp_path / "schedule.yaml"),
        keep_jobs=48,
        max_cache_size=500 * 1024 * 1024,
        keep_returns=72,
        keep_bytes=1024**3,
        output_cap=65536,
        source=str(tmp_path / "config.yaml"),
    )


def test_every_field_of_config_has_a_key_and_a_line_in_the_docs() -> None:
    from agentless.config import _NESTED, _READERS

    assert {*_READERS, *_NESTED, "source"} == set(Config.__slots__)
    page = (Path(__file__).parents[1] / "docs" / "configuration.md").read_text()
    assert [key for key in (*_READERS, *_NESTED) if f"| `{key}` |" not in page] == []


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("forks: 3\nfork: 4\n", 2, "fork: unknown key"),
        ("\nconnect-timeout: 4\n", 2, "connect-timeout: unknown key"),
        ("forks: 3\n\nforks: 4\n", 3, "forks: stands here a second time"),
        ("forks: 0\n", 1, "forks: a whole number from 1 to 1000000 is needed, not 0"),
        ("forks: yes\n", 1, "forks: a whole number"),
        ("forks: 1.5\n", 1, "forks: a whole number"),
        ("user: ada\nforks: '3'\n", 2, "forks: a whole number"),
        ("connect_timeout: 0\n", 1, "seconds above 0"),
        *((f"connect_timeout: {value}\n", 1, "seconds above 0") for value in (".inf", ".nan", "1.0e+12", "true")),
        ("keep_jobs: -1\n", 1, "hours from 0 on"),
        *((f"keep_jobs: {value}\n", 1, "hours from 0 on") for value in (".nan", ".inf", "1.0e+308", "9" * 400)),
        ("max_cache_size: 5 apples\n", 1, "a size such as 500MiB"),
        (f"max_cache_size: {'9' * 400}\n", 1, "a size such as 500MiB"),
        ("max_cache_size: true\n", 1, "a size such as 500MiB"),
        ("host_key_checking: no\n", 1, "strict or accept-new is needed, not False"),
        ("become_method: pfexec\n", 1, "sudo or su or doas is needed"),
        ("become: 'yes'\n", 1, "true or false is needed"),
        ("user: 7\n", 1, "text is needed"),
        ("inventory: []\n", 1, "a path, host1,host2, or a list"),
        ("inventory: [1]\n", 1, "a path, host1,host2, or a list"),
        ("- forks\n", 1, "a mapping of keys to values is needed"),
        ("forks: [\n", 2, "not YAML"),
        ("a: 1\n  b: 2\n", 2, "not YAML"),
        ("forks: !!python/object/apply:os.system [id]\n", 1, "not YAML"),
        ("? [1, 2]\n: 3\n", 1, "a key must be text"),
        ("forks: *missing\n", 1, "not YAML"),
        ('forks: !!int ""\n', 1, "forks: not YAML"),
        ("become: !!bool maybe\n", 1, "become: not YAML"),
        ("user: !!timestamp soon\n", 1, "user: not YAML"),
        ("user: &all [*all]\n", 1, "user: "),
        (f"forks: 0x{'f' * 5000}\n", 1, "forks: a whole number"),
        ("forks: 1000001\n", 1, "forks: a whole number"),
        *((f"{key}: 2000TiB\n", 1, "1024TiB at most") for key in ("max_cache_size", "keep_bytes", "output_cap")),
        *(
            (f"{key}: {value}\n", 1, f"{key}: ")
            for key in ("keep_jobs", "keep_returns", "max_cache_size", "keep_bytes", "output_cap")
            for value in ("[1]", "{a: 1}", "2026-11-22", "!!binary aGk=", "-1", "''", f"0x{'f' * 5000}", "876001h")
        ),
    ],
)
def test_what_is_wrong_is_told_with_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(path, {"HOME": "/h"})
    assert words in caught.value.message
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.message.startswith(f"{path}:{line}: ")


def test_a_wrong_key_is_told_with_the_one_that_was_meant(tmp_path: Path) -> None:
    for given, meant in {"fork": "forks", "connect-timeout": "connect_timeout", "Keep_job": "keep_jobs"}.items():
        with pytest.raises(ConfigError) as caught:
            load(_file(tmp_path, f"{given}: 1\n"), {"HOME": "/h"})
        assert caught.value.hint == f"Did you mean {meant}?"
    with pytest.raises(ConfigError) as caught:
        load(_file(tmp_path, "zzz: 1\n"), {"HOME": "/h"})
    assert caught.value.hint.startswith("Known: forks, ")


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"forks: \x00", b"user: \xe9\n", b"[" * 5000])
def test_what_is_no_text_is_a_config_error(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="not YAML"):
        load(path, {"HOME": "/h"})


def test_a_value_that_aliases_make_huge_is_quoted_in_short(tmp_path: Path) -> None:
    doubling = "".join(f"- &l{n} [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 40))
    with pytest.raises(ConfigError) as caught:
        load(_file(tmp_path, f"forks:\n- &l0 [x, x]\n{doubling}"), {"HOME": "/h"})
    assert len(caught.value.message) < 500 + len(str(tmp_path))


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.yaml")
    for path, environ in ((gone, {"HOME": "/h"}), (None, {"HOME": "/h", "AGENTLESS_CONFIG": gone})):
        with pytest.raises(ConfigError, match=r"gone.yaml: cannot be read: No such file"):
            load(path, environ)
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load(tmp_path, {"HOME": "/h"})


def test_the_option_beats_the_variable_and_that_beats_the_users_directory(tmp_path: Path) -> None:
    users = tmp_path / "agentless"
    users.mkdir()
    (users / "config.yaml").write_text("forks: 1\n")
    (tmp_path / "two.yaml").write_text("forks: 2\n")
    (tmp_path / "three.yaml").write_text("forks: 3\n")
    environ = {"HOME": "/h", "XDG_CONFIG_HOME": str(tmp_path)}
    assert load(None, environ).forks == 1
    environ["AGENTLESS_CONFIG"] = str(tmp_path / "two.yaml")
    assert load(None, environ).forks == 2
    assert load(tmp_path / "three.yaml", environ).forks == 3


def test_directories_are_xdgs_and_a_relative_one_is_ignored() -> None:
    assert cache_dir({"HOME": "/h"}) == Path("/h/.cache/agentless")
    assert config_dir({"HOME": "/h"}) == Path("/h/.config/agentless")
    assert cache_dir({"HOME": "/h", "XDG_CACHE_HOME": "/c"}) == Path("/c/agentless")
    assert config_dir({"HOME": "/h", "XDG_CONFIG_HOME": "conf"}) == Path("/h/.config/agentless")
    assert cache_dir({"XDG_CACHE_HOME": "/c"}) == Path("/c/agentless")
    assert cache_dir({}).is_absolute()


def test_without_a_configuration_file_yaml_is_not_imported(tmp_path: Path) -> None:
    program = "import sys; from agentless import config; before = 'yaml' in sys.modules; config.load()\n"
    program += "sys.exit(not before and 'yaml' in sys.modules)"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", program], cwd=root, env=environ).returncode == 0
