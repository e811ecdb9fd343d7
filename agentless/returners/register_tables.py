"""The two tables of a register, in the manner of Salt's `jids` and `salt_returns`, and how a database is reached."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import (
    URL,
    Column,
    DateTime,
    Index,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    make_url,
)
from sqlalchemy.dialects.mysql import LONGTEXT
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError, StatementError

from agentless.config_returners import PathBase
from agentless.model.returner import SecretSource, SqlReturner
from agentless.returners.handover import NotTaken, Unavailable

__all__ = ["Database", "column", "jids", "returns"]

_DOCUMENT = Text().with_variant(LONGTEXT, "mysql", "mariadb")
_metadata = MetaData()

jids = Table(
    "agentless_jids",
    _metadata,
    Column("jid", String(20), primary_key=True),
    Column("load", _DOCUMENT, nullable=False),
)
"""A job: its JID, and as `load` its own fields in JSON, with the names of its hosts."""

returns = Table(
    "agentless_returns",
    _metadata,
    Column("jid", String(20), primary_key=True),
    Column("id", String(255), primary_key=True),
    Column("fun", String(50), nullable=False),
    Column("state", String(20), nullable=False),
    Column("success", String(10), nullable=False),
    Column("full_ret", _DOCUMENT, nullable=False),
    Column("alter_time", DateTime(timezone=True), server_default=func.now(), nullable=False),
    Index("agentless_returns_id", "id"),
)
"""The end of a job on a host (`id`): `success` is `true` or `false`, `full_ret` the host's JSON object."""

_CREATED_BY_ANOTHER = 3


def column(text: str, length: int) -> str:
    """Text as a column of this length holds it, the same for the same text: no NUL, no lone surrogate, never longer."""
    plain = text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\0", "\\x00")
    if len(plain) <= length:
        return plain
    return f"{plain[: length - 17]}~{hashlib.sha256(plain.encode()).hexdigest()[:16]}"


class Database:
    """A register's database; connects when it is first asked.

    Args:
        settings: the URL, and after how many seconds to give up.
        environ: where the URL may stand.

    Raises:
        ConfigError: the URL cannot be read, is none, or needs a driver that is not installed.
    """

    def __init__(self, settings: SqlReturner, environ: Mapping[str, str]) -> None:
        source = settings.url
        secret = source.read(environ).reveal()
        try:
            url = _placed(make_url(secret), source, environ)
            self._secrets = [text for text in (secret, url.password) if text]
            self.engine = create_engine(url, hide_parameters=True, connect_args=_limits(url, settings.timeout))
        except (SQLAlchemyError, ValueError):
            hint = "DIALECT://USER:PASSWORD@HOST/DATABASE, or sqlite:////PATH"
            raise source.error("it is no URL that SQLAlchemy knows", hint) from None
        except ImportError as error:
            raise source.error(f"its driver is not installed: {error.name}", "Install it beside agentless.") from None
        self._url = url
        event.listen(self.engine, "do_connect", self._connect)

    def _connect(self, dialect: Any, _record: Any, words: Any, options: Any) -> Any:
        """A connection of the driver; SQLAlchemy knows its errors, and this those that come from below it."""
        try:
            return dialect.connect(*words, **options)
        except (OSError, TypeError, ValueError) as error:
            raise Unavailable(self._plain(error)) from None

    def make_tables(self) -> None:
        """Make the tables that are missing; of many who do so at once, all succeed."""
        for _ in range(_CREATED_BY_ANOTHER):
            if self.has_tables():
                return
            try:
                _metadata.create_all(self.engine)
            except DBAPIError:
                # Another process made one of them after we had looked; else it is seen below.
                if self.has_tables():
                    return
        _metadata.create_all(self.engine)

    def has_tables(self) -> bool:
        """Whether both are there. A file of SQLite that is not there is not made for that."""
        url, file = self._url, self._url.database
        if url.get_backend_name() == "sqlite" and file and "uri" not in url.query and not os.path.exists(file):
            return False
        names = inspect(self.engine)
        return all(names.has_table(table.name) for table in (jids, returns))

    @contextmanager
    def errors_translated(self) -> Iterator[None]:
        """Let errors of the database come out as NotTaken or Unavailable, without what was sent and without secrets."""
        try:
            yield
        except (DataError, IntegrityError) as error:
            raise NotTaken(self._plain(error)) from None
        except SQLAlchemyError as error:
            raise Unavailable(self._plain(error)) from None

    def _plain(self, error: Exception) -> str:
        cause = error.orig if isinstance(error, StatementError) and error.orig is not None else error
        text = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
        for secret in self._secrets:
            text = text.replace(secret, "…")
        return f"{self._url.get_backend_name()}: {text[:300]}"

    def close(self) -> None:
        """Let go of the connection."""
        self.engine.dispose()


def _placed(url: URL, source: SecretSource, environ: Mapping[str, str]) -> URL:
    """The URL, a file of SQLite in it by its whole path; raises ConfigError where nothing would be kept."""
    if url.get_backend_name() != "sqlite":
        return url
    file = url.database or ""
    if not file or ":memory:" in file or url.query.get("mode") == "memory":
        raise source.error("a database in memory keeps nothing", "sqlite:////PATH")
    if file.startswith("file:"):
        return url
    place = PathBase(os.path.dirname(os.path.abspath(source.file)), environ.get("HOME", "~"))
    return url.set(database=place.path(file))


def _limits(url: URL, timeout: float) -> dict[str, object]:
    """How the driver is told to give up after so many seconds, where the URL does not say that."""
    backend, driver = url.get_backend_name(), url.get_driver_name()
    if backend == "sqlite" and "timeout" not in url.query:
        return {"timeout": timeout}
    if driver in ("psycopg", "psycopg2", "pymysql", "mysqldb") and "connect_timeout" not in url.query:
        return {"connect_timeout": math.ceil(timeout)}
    return {}
