"""The SQLite file: its tables, how it is opened, and what its errors mean."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random

from consilience.errors import StoreError

APPLICATION = 0x434F4E53
"""Marks the file as ours ("CONS")."""

SCHEMA = 1
"""Version of the tables."""

BUSY_SECONDS = 60.0
"""How long a write waits for other processes."""

_TABLES = (
    "CREATE TABLE draws (id TEXT PRIMARY KEY, reply TEXT NOT NULL)",
    "CREATE TABLE records (book TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (book, key))",
    "CREATE TABLE owners (owner TEXT PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, born TEXT NOT NULL, "
    "beat REAL NOT NULL)",
    "CREATE TABLE leases (id TEXT PRIMARY KEY, owner TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TRIGGER stored AFTER INSERT ON draws BEGIN DELETE FROM leases WHERE id = NEW.id; END",
)


_PATIENTLY = Retrying(retry=retry_if_exception(lambda error: "locked" in str(error)), wait=wait_random(0, 0.05),
                      stop=stop_after_delay(BUSY_SECONDS), reraise=True)
"""When several processes turn a new file to write-ahead mode at once, SQLite tells some of them "locked" without any
wait."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection in write-ahead mode, shareable between threads under a lock; no implicit transactions."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit survives the death of the process; a power cut may lose the last ones, never the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def prepare(path: Path) -> None:
    """Create the file, or check that it is a store of this version. Nothing is ever deleted or converted."""
    if path.is_dir() or str(path) == ":memory:":
        raise StoreError(f"{path} is no file; a store is a file that several processes may share, such as draws.sqlite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _refuse_foreign(path)
        connection = _PATIENTLY(connect, path)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, path) from error
    try:
        connection.execute("BEGIN IMMEDIATE")
        if _pragma(connection, "user_version") == 0:
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise explain(error, path) from error
    finally:
        connection.close()


def _refuse_foreign(path: Path) -> None:
    """Look at an existing file without touching it, at one moment: another process may just be creating it."""
    if not path.exists() or path.stat().st_size == 0:
        return
    probe = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
    try:
        probe.execute("BEGIN")
        application, version = _pragma(probe, "application_id"), _pragma(probe, "user_version")
        tables = probe.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        probe.close()
    if tables and application != APPLICATION:
        raise StoreError(f"{path} is an SQLite file of another program, not a store. It was left as it is; "
                         "name another file.")
    if version > SCHEMA:
        raise StoreError(f"{path} was written by a newer version (tables {version}, this one reads {SCHEMA}). "
                         "It was left as it is; upgrade, or name another file.")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def explain(error: Exception, path: Path) -> StoreError:
    """What went wrong with the file, and what to do."""
    text = str(error)
    if isinstance(error, OSError):
        return StoreError(f"{path} cannot be opened: {error.strerror or text}.")
    if "full" in text or "disk I/O" in text:
        return StoreError(f"{path} cannot be written: {text}. What was stored before is safe; make room and run the "
                          "same command again, it goes on from there.")
    if "not a database" in text or "malformed" in text:
        return StoreError(f"{path} is damaged or not a store ({text}). It was left as it is. Move it aside to start "
                          f"anew, or save what is readable: sqlite3 {path} .recover | sqlite3 rescued.sqlite")
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path} cannot be opened for writing ({text}). Check the folder and its permissions.")
    if "locked" in text or "busy" in text:
        return StoreError(f"{path} has been locked by another program for {BUSY_SECONDS:.0f} s. Close that program.")
    return StoreError(f"{path}: {text}.")
