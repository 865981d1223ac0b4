"""Who is generating what, across processes: leases on draws, and how the death of their owner is noticed."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

BEAT_SECONDS = 2.0
"""How often an owner says that it is alive."""

SILENT_SECONDS = 60.0
"""An owner that was silent for so long is taken for dead, whatever its process number says."""

WATCH_SECONDS = 3 * BEAT_SECONDS
"""So long it is watched before: a clock that jumps, or a machine that wakes up, makes the living look silent."""

FORGOTTEN_SECONDS = 86_400.0
"""Owners that were silent for so long are forgotten; their leases are free."""

STORED, MINE, BUSY = "stored", "mine", "busy"


def _host() -> str:
    """Names the process-number space: two containers on one machine are two hosts."""
    try:
        return f"{socket.gethostname()}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _born(pid: int) -> str | None:
    """Start mark of a live process, so that a reused number is noticed; None when there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        after_name = stat[stat.rindex(")") + 2:].split()
        return None if after_name[0] in "ZX" else after_name[19]
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
    except (OSError, ValueError, IndexError):
        return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        return ""
    return ""


def all_or_none(connection: sqlite3.Connection, insert: str, rows: Sequence[tuple[str, str]]) -> bool:
    """Insert all rows in few statements (`{}` takes the values), or none of them if any would be ignored."""
    connection.execute("SAVEPOINT together")
    done, start = 0, 0
    while start < len(rows):
        size = next(n for n in (64, 16, 4, 1) if n <= len(rows) - start)
        part = [value for row in rows[start:start + size] for value in row]
        done += connection.execute(insert.format(",".join(["(?,?)"] * size)), part).rowcount
        start += size
    if done < len(rows):
        connection.execute("ROLLBACK TO together")
    connection.execute("RELEASE together")
    return done == len(rows)


@dataclass(frozen=True, slots=True)
class Owner:
    """One open store in one process."""

    name: str = field(default_factory=lambda: uuid.uuid4().hex)
    host: str = field(default_factory=_host)
    pid: int = field(default_factory=os.getpid)
    seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    """The last beat of other owners, and when it was first seen, in seconds of a clock that nobody sets."""

    def beat(self, connection: sqlite3.Connection, calls: Sequence[None]) -> Sequence[None]:
        """Say that this owner is alive."""
        connection.execute("INSERT INTO owners VALUES (?, ?, ?, ?, ?) ON CONFLICT (owner) DO UPDATE SET beat = excluded.beat",
                           (self.name, self.host, self.pid, _born(self.pid) or "", time.time()))
        connection.execute("DELETE FROM owners WHERE beat < ?", (time.time() - FORGOTTEN_SECONDS,))
        return calls

    def leave(self, connection: sqlite3.Connection, calls: Sequence[None]) -> Sequence[None]:
        """Give back everything, at the end."""
        connection.execute("DELETE FROM leases WHERE owner = ?", (self.name,))
        connection.execute("DELETE FROM owners WHERE owner = ?", (self.name,))
        return calls

    def claim(self, connection: sqlite3.Connection, calls: Sequence[tuple[Sequence[str], bool]]) -> list[list[str]]:
        """For each draw of each call: `mine` now, `stored` meanwhile, or `busy` elsewhere. A call that says `again`
        claims stored draws too."""
        plain = [one for ids, again in calls if not again for one in ids]
        mine = all_or_none(connection, "INSERT OR IGNORE INTO leases SELECT column1, column2 FROM (VALUES {}) "
                           "WHERE NOT EXISTS (SELECT 1 FROM draws WHERE id = column1)", [(one, self.name) for one in plain])
        return [[MINE if mine and not again else self._claim(connection, one, again) for one in ids]
                for ids, again in calls]

    def _claim(self, connection: sqlite3.Connection, one: str, again: bool) -> str:
        if connection.execute("INSERT OR IGNORE INTO leases SELECT ?, ? WHERE ? OR NOT EXISTS "
                              "(SELECT 1 FROM draws WHERE id = ?)", (one, self.name, again, one)).rowcount:
            return MINE
        if not again and connection.execute("SELECT 1 FROM draws WHERE id = ?", (one,)).fetchone():
            return STORED
        holder = connection.execute(
            "SELECT o.owner, o.host, o.pid, o.born, o.beat FROM leases l LEFT JOIN owners o ON o.owner = l.owner "
            "WHERE l.id = ?", (one,)).fetchone()
        if holder[0] == self.name or self._alive(*holder):
            return BUSY
        connection.execute("UPDATE leases SET owner = ? WHERE id = ?", (self.name, one))
        return MINE

    def release(self, connection: sqlite3.Connection, calls: Sequence[Sequence[str]]) -> Sequence[Any]:
        """Give leases back without a draw."""
        connection.executemany("DELETE FROM leases WHERE id = ? AND owner = ?",
                               [(one, self.name) for ids in calls for one in ids])
        return calls

    def _alive(self, owner: str | None, host: str | None, pid: int | None, born: str | None, beat: float | None) -> bool:
        if owner is None or pid is None or beat is None or self._silent(owner, beat):
            return False
        if host != self.host:
            return True
        found = _born(pid)
        return found is not None and (not born or not found or found == born)

    def _silent(self, owner: str, beat: float) -> bool:
        """Whether it has said nothing for too long: by the time that it wrote and a while of watching, or by watching
        alone, as when the clock was set back."""
        now = time.monotonic()
        if self.seen.get(owner, (None, now))[0] != beat:
            self.seen[owner] = (beat, now)
        watched = now - self.seen[owner][1]
        return watched > SILENT_SECONDS or (watched > WATCH_SECONDS and time.time() - beat > SILENT_SECONDS)
