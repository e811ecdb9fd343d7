"""The tables of a register: made once by however many, never by a look, and no error tells the password."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from agentless.errors import ConfigError
from agentless.model.returner import SecretSource, SqlReturner
from agentless.model.secret import Secret
from agentless.returners.handover import NotTaken, Unavailable
from agentless.returners.register_tables import Database, column, jids
from tests.hosts import patience


def database(url: str) -> Database:
    source = SecretSource("returners: archive: url", text=Secret(url))
    return Database(SqlReturner("archive", False, patience(5), source), {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "register.sqlite"


def test_a_look_makes_no_file(file: Path) -> None:
    assert not database(f"sqlite:///{file}").has_tables()
    assert not file.exists()


def test_tables_are_made_once_and_what_is_in_them_stays(file: Path) -> None:
    for _ in range(2):
        made = database(f"sqlite:///{file}")
        made.make_tables()
        assert made.has_tables()
        with made.engine.begin() as connection:
            connection.execute(jids.insert().prefix_with("OR IGNORE").values(jid="1", load="{}"))
            assert connection.execute(text("SELECT count(*) FROM agentless_jids")).scalar() == 1
        made.close()


def test_one_table_that_is_missing_is_made_beside_the_other(file: Path) -> None:
    made = database(f"sqlite:///{file}")
    jids.create(made.engine)
    assert not made.has_tables()
    made.make_tables()
    assert made.has_tables()
    made.close()


def test_of_many_who_make_them_at_once_all_succeed(file: Path) -> None:
    failures: list[SQLAlchemyError] = []
    together = threading.Barrier(6)

    def make() -> None:
        one = database(f"sqlite:///{file}")
        together.wait()
        try:
            one.make_tables()
        except SQLAlchemyError as error:
            failures.append(error)
        finally:
            one.close()

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert database(f"sqlite:///{file}").has_tables()


def test_a_file_that_is_no_database_is_not_available(file: Path) -> None:
    file.write_bytes(b"not a database, and longer than the header of one\n" * 100)
    broken = database(f"sqlite:///{file}")
    with pytest.raises(Unavailable, match=r"^sqlite: "), broken.errors_translated():
        broken.make_tables()
    broken.close()


def test_what_breaks_a_rule_of_the_table_is_not_taken(file: Path) -> None:
    made = database(f"sqlite:///{file}")
    made.make_tables()
    twice = [{"jid": "1", "load": "{}"}] * 2
    with pytest.raises(NotTaken), made.errors_translated(), made.engine.begin() as connection:
        connection.execute(jids.insert(), twice)
    made.close()


def test_an_error_does_not_tell_the_url(file: Path) -> None:
    url = f"sqlite:///{file}?timeout=1"
    made = database(url)
    with pytest.raises(Unavailable) as caught, made.errors_translated(), made.engine.connect() as connection:
        connection.execute(text(f'SELECT * FROM "{url}"'))
    assert "no such table: …" in str(caught.value)
    assert caught.value.__cause__ is None
    made.close()


@pytest.mark.parametrize("url", ["nonsense", "", "nosuch://ada:hunter2@x/y"])
def test_a_url_that_is_none_is_told_with_its_key_and_without_itself(url: str) -> None:
    with pytest.raises(ConfigError, match="returners: archive: url: it is no URL") as caught:
        database(url)
    assert not url or url not in caught.value.message
    assert "hunter2" not in caught.value.message


@given(st.text(max_size=60) | st.sampled_from(["\ud800", "a\0b", "é" * 30]), st.integers(18, 40))
def test_a_column_holds_any_text_within_its_length(whole: str, length: int) -> None:
    held = column(whole, length)
    assert len(held) <= length
    assert "\0" not in held
    held.encode("utf-8")
    assert column(whole, length) == held


def test_two_long_texts_with_one_beginning_stay_two() -> None:
    assert column("web" * 30 + "1", 40) != column("web" * 30 + "2", 40)
    assert column("web1", 40) == "web1"
