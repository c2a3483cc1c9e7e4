"""The results in a database: what is written twice is there once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Table, create_engine, event, insert, inspect, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)

from bodysounds.serving import tables

BUSY_S = 10.0
Row = Mapping[str, Any]


class DatabaseGone(Exception):
    """The database cannot be reached or written now."""


class Store:
    """A database of results.

    SQLite files are opened in WAL mode and checked at each use: one that was moved away is an
    error, where SQLite would go on writing into a file without a name.
    """

    def __init__(self, url: str, pool: int = 4) -> None:
        """Raise ValueError for a URL that is none, or whose driver is not installed."""
        try:
            self.url = make_url(url)
            self.file = _sqlite_file(self.url)
            self.engine = _sqlite(self.file) if self.file else _other(self.url, pool)
        except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
            raise ValueError(
                f"{_shown(url)!r} is no database that can be used here ({error}): give a URL of "
                "SQLAlchemy such as sqlite:///results.db, and install its driver"
            ) from error

    def __str__(self) -> str:
        return str(self.file) if self.file else self.url.render_as_string(hide_password=True)

    def create(self) -> None:
        """Create the tables that are missing (and a SQLite file).

        Raises DatabaseGone, and ValueError for tables that lack a column.
        """
        with self._gone():
            if self.file:
                self.file.touch()
            tables.metadata.create_all(self.engine)
            for table in tables.metadata.sorted_tables:
                there = {column["name"] for column in inspect(self.engine).get_columns(table.name)}
                if missing := [column.name for column in table.columns if column.name not in there]:
                    raise ValueError(
                        f"the table {table.name} of {self} has no column {missing[0]}, another "
                        "version made it: give another database"
                    )

    def add(self, table: Table, rows: Sequence[Row]) -> int:
        """Write the rows whose keys are not there yet; return how many. All or none.

        Raises DatabaseGone. What is there stays: a repeated activity changes nothing.
        """
        if not rows:
            return 0
        for last in (False, True):
            try:
                with self._gone(), self.engine.begin() as connection:
                    return _add(connection, table, rows)
            except IntegrityError:  # another worker wrote one between our look and our row
                if last:
                    raise
        raise AssertionError

    def run(self, work: Callable[[Connection], Any]) -> Any:
        """Return what `work` returns of a connection in a transaction. Raises DatabaseGone."""
        with self._gone(), self.engine.begin() as connection:
            return work(connection)

    def rows(self, table: Table, stream_id: str) -> list[dict[str, Any]]:
        """Return a stream's rows by their key. Raises DatabaseGone."""
        query = select(table).where(table.c.stream_id == stream_id).order_by(*table.primary_key)
        with self._gone(), self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _gone(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except (SQLAlchemyError, OSError) as error:
            if isinstance(error, DBAPIError) and not _unreachable(error):
                raise
            why = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            raise DatabaseGone(
                f"the database {self} cannot be reached or written ({why}): "
                "bring it back, nothing is lost meanwhile"
            ) from error


def plain(text: str) -> str:
    """Return text as any database can hold it: names of files may be no Unicode."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


def _add(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Write the rows of one stream whose keys are missing."""
    keys = list(table.primary_key)
    stream_ids = {row["stream_id"] for row in rows}
    query = select(*keys).where(table.c.stream_id.in_(stream_ids))
    if len(keys) > 1:
        query = query.where(keys[1].in_({row[keys[1].name] for row in rows}))
    there = {tuple(row) for row in connection.execute(query)}
    missing: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[column.name] for column in keys)
        if key not in there:
            missing.setdefault(key, dict(row))
    if missing:
        connection.execute(insert(table), list(missing.values()))
    return len(missing)


def _unreachable(error: DBAPIError) -> bool:
    # "interface" errors of several drivers say that the connection broke
    return (
        isinstance(error, OperationalError)
        or type(error) is DatabaseError  # SQLite: the file is damaged, or no database
        or error.connection_invalidated
        or type(error.orig).__name__ == "InterfaceError"
    )


def _sqlite_file(url: URL) -> Path | None:
    if url.get_backend_name() != "sqlite":
        return None
    if url.database in (None, "", ":memory:"):
        raise ArgumentError("a database in memory is lost with its worker")
    return Path(str(url.database)).absolute()


def _sqlite(file: Path) -> Engine:
    # mode=rw: a file that is gone must not come back empty
    url = URL.create(
        "sqlite", database=f"file:{file.as_uri()[7:]}", query={"mode": "rw", "uri": "true"}
    )
    engine = create_engine(url, connect_args={"timeout": BUSY_S})

    @event.listens_for(engine, "connect")
    def opened(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # or Python's driver begins transactions on its own
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        record.info["file"] = _identity(file)

    @event.listens_for(engine, "checkout")
    def used(_: Any, record: Any, __: Any) -> None:
        if record.info.get("file") != _identity(file):
            raise DisconnectionError(f"{file} is not the file that was opened")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # two writers wait instead of deadlocking

    return engine


def _other(url: URL, pool: int) -> Engine:
    return create_engine(url, pool_pre_ping=True, pool_size=pool)


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        stat = os.stat(file)
    except OSError:
        return None
    return stat.st_dev, stat.st_ino
