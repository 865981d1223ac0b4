"""The store: draws, records and leases in one SQLite file that several processes may share."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from consilience.errors import StoreError
from consilience.store.database import connect, explain, prepare
from consilience.store.flights import Flights
from consilience.store.leases import BEAT_SECONDS, Owner, all_or_none
from consilience.store.replies import pack, unpack
from consilience.store.writer import Writer
from consilience.types import Reply, Request, asked, canonical, hexdigest

_PAGE = 500
"""Records read at once."""


def draw_key(request: Request, fingerprint: str) -> str:
    """What a draw depends on besides stream and index: everything that is asked, and of whom."""
    return hexdigest(f"[{canonical(fingerprint)},{asked(request)}]")


class Store:
    """An open store. What an awaited write returned from is committed; it survives the death of the process.

    Draws are addressed by `draw id`s: `draw_key(...)`, stream and index, joined by `/`. Records are JSON values in
    named books (the rows of a run, fitted artefacts, memories). Raises StoreError, and never deletes a file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        prepare(self.path)
        self.flights = Flights()
        self._owner = Owner()
        self._lock = threading.Lock()
        self._reader = connect(self.path)
        self._writer = Writer(self.path, self._owner.beat, BEAT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what is waiting, give leases back, close the file."""
        self._writer.post(self._owner.leave)
        self._writer.close()
        with self._lock:
            self._reader.close()

    # Draws

    def draws(self, ids: Sequence[str]) -> dict[str, Reply]:
        """Those of the draws that are stored."""
        if not ids:
            return {}
        marks = ",".join("?" * len(ids))
        return {one: self._unpacked(one, reply) for one, reply in
                self._read(f"SELECT id, reply FROM draws WHERE id IN ({marks})", tuple(ids))}

    def _unpacked(self, one: str, packed: str) -> Reply:
        try:
            return unpack(packed)
        except StoreError as error:
            raise StoreError(f"{self.path} is damaged in one draw: {error}. All others can be read; take it out with: "
                             f"sqlite3 {self.path} \"DELETE FROM draws WHERE id = '{one}'\"") from error

    async def claim(self, ids: Sequence[str], again: bool = False) -> list[str]:
        """For each draw: `mine` to generate, `stored` meanwhile, or `busy` in another process.

        `again` claims stored draws too, to add what they lack.
        """
        claimed: list[str] = await self._writer.submit(self._owner.claim, (ids, again))
        return claimed

    def release(self, ids: Sequence[str]) -> None:
        """Give claims back without a draw."""
        self._writer.post(self._owner.release, ids)

    async def keep(self, draws: Sequence[tuple[str, Reply]]) -> list[Reply]:
        """Store draws and end their claims. The first stored reply of a draw stands and is what is returned; only
        token log-probabilities are added to it, when the same text was generated again with them."""
        packed = [(one, reply, pack(reply)) for one, reply in draws]
        kept: list[Reply] = await self._writer.submit(self._keep, packed)
        return kept

    def _keep(self, connection: sqlite3.Connection, calls: Sequence[Sequence[tuple[str, Reply, str]]]) -> list[list[Reply]]:
        rows = [(one, packed) for call in calls for one, _, packed in call]
        if all_or_none(connection, "INSERT OR IGNORE INTO draws VALUES {}", rows):     # a trigger ends the leases
            return [[reply for _, reply, _ in call] for call in calls]
        return [[self._keep_one(connection, *entry) for entry in call] for call in calls]

    def _keep_one(self, connection: sqlite3.Connection, one: str, reply: Reply, packed: str) -> Reply:
        if connection.execute("INSERT OR IGNORE INTO draws VALUES (?, ?)", (one, packed)).rowcount:
            return reply
        self._owner.release(connection, [[one]])
        stands = unpack(connection.execute("SELECT reply FROM draws WHERE id = ?", (one,)).fetchone()[0])
        if stands.tokens is None and reply.tokens is not None and stands.text == reply.text:
            stands = stands.having(tokens=reply.tokens)
            connection.execute("UPDATE draws SET reply = ? WHERE id = ?", (pack(stands), one))
        return stands

    def count(self) -> int:
        """Number of stored draws."""
        return int(self._read("SELECT count(*) FROM draws")[0][0])

    # Records

    async def put(self, book: str, key: str, value: Any) -> None:
        """Set a record; `value` is JSON-able. An existing one is replaced."""
        await self._writer.submit(_write, [(book, key, _json(book, value))])

    def get(self, book: str, key: str) -> Any | None:
        """A record, or None."""
        for (value,) in self._read("SELECT value FROM records WHERE book = ? AND key = ?", (book, key)):
            return json.loads(value)
        return None

    def items(self, book: str) -> Iterator[tuple[str, Any]]:
        """All records of a book with their keys, in order of the keys; a few hundred at a time are in memory."""
        last: str | None = None
        while True:
            rows = self._read("SELECT key, value FROM records WHERE book = ? AND (? IS NULL OR key > ?) ORDER BY key LIMIT ?",
                              (book, last, last, _PAGE))
            for last, value in rows:
                yield last, json.loads(value)
            if len(rows) < _PAGE:
                return

    def keys(self, book: str) -> set[str]:
        """The keys of a book."""
        return {key for (key,) in self._read("SELECT key FROM records WHERE book = ?", (book,))}

    async def remove(self, book: str, keys: Sequence[str]) -> None:
        """Delete records; those that are not there are no error."""
        await self._writer.submit(_write, [(book, key, None) for key in keys])

    def check(self) -> None:
        """Read the whole file and verify it. Takes about a second per gigabyte; StoreError when it is damaged."""
        for (finding,) in self._read("PRAGMA integrity_check(3)"):
            if finding != "ok":
                raise explain(sqlite3.DatabaseError(f"malformed: {finding}"), self.path)

    def _read(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._reader.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error


def _write(connection: sqlite3.Connection, calls: Sequence[Sequence[tuple[str, str, str | None]]]) -> Sequence[Any]:
    """Set records, or delete those whose value is None, in order."""
    for book, key, value in (entry for call in calls for entry in call):
        if value is None:
            connection.execute("DELETE FROM records WHERE book = ? AND key = ?", (book, key))
        else:
            connection.execute("INSERT INTO records VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                               (book, key, value))
    return calls


def _json(book: str, value: Any) -> str:
    try:
        return json.dumps(value, separators=(",", ":"))
    except TypeError as error:
        raise StoreError(f"a record of {book!r} is not JSON: {error}") from None
