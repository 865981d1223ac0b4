"""Opening files that are stores, and files that are not."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path

import pytest

from consilience.errors import StoreError
from consilience.store import Store
from consilience.store.database import explain
from consilience.types import Reply


def test_a_new_store_makes_its_folder(tmp_path: Path) -> None:
    with Store(tmp_path / "deep" / "down" / "store.db") as store:
        assert store.count() == 0
        store.check()


def test_opened_twice_and_again(tmp_path: Path) -> None:
    with Store(tmp_path / "a.db"), Store(tmp_path / "a.db") as second:
        assert second.count() == 0
    with Store(tmp_path / "a.db") as again:
        assert again.count() == 0


def refused(path: Path, words: str) -> None:
    before = path.read_bytes()
    with pytest.raises(StoreError, match=words) as caught:
        Store(path)
    assert str(path) in str(caught.value) and path.read_bytes() == before


def test_a_text_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("dear diary " * 500)
    refused(tmp_path / "notes.txt", "not a store")


def test_the_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE draws (x)")
    other.commit()
    other.close()
    refused(tmp_path / "other.db", "another program")


def test_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Store(tmp_path / "new.db").close()
    newer = sqlite3.connect(tmp_path / "new.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    refused(tmp_path / "new.db", "newer version")


def test_a_damaged_store_says_so_and_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hurt.db"
    with Store(path) as store:
        pass
    data = bytearray(path.read_bytes())
    data[100:] = os.urandom(len(data) - 100)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        store = Store(path)
        try:
            store.draws(["x"])
        finally:
            store.close()
    assert path.stat().st_size == len(data)


def test_check_finds_damage_that_opening_does_not(tmp_path: Path) -> None:
    import asyncio

    from consilience.types import Reply

    path = tmp_path / "hurt.db"

    async def fill(store: Store) -> None:
        await store.keep([(f"k{i}", Reply("text " * 50)) for i in range(500)])

    with Store(path) as store:
        asyncio.run(fill(store))
    data = bytearray(path.read_bytes())
    data[len(data) // 2:len(data) // 2 + 9000] = bytes(9000)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"), Store(path) as store:
        store.check()


def test_one_damaged_draw_is_named_and_can_be_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with Store(path) as store:
        asyncio.run(store.keep([("a", Reply("x")), ("b", Reply("y"))]))
        with sqlite3.connect(path) as other:
            other.execute("UPDATE draws SET reply = '{' WHERE id = 'a'")
        with pytest.raises(StoreError, match="damaged in one draw: .*DELETE") as caught:
            store.draws(["a"])
        assert store.draws(["b"])["b"].text == "y"
        with sqlite3.connect(path) as other:
            other.execute(str(caught.value).split('"')[-2])
        assert set(store.draws(["a", "b"])) == {"b"}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, Path(":memory:")):
        with pytest.raises(StoreError, match=f"{place} is no file"):
            Store(place)


def test_a_place_where_nothing_can_be_written_is_refused() -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store("/proc/nowhere/a.db")


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.db")
    store.close()
    with pytest.raises(StoreError, match="a.db: .*closed"):
        store.count()


@pytest.mark.parametrize(("error", "words"), [
    (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be opened for writing .*Check the folder and its permissions"),
    (sqlite3.OperationalError("unable to open database file"), "cannot be opened for writing"),
    (sqlite3.OperationalError("database is locked"), "locked by another program for .* s. Close that program"),
    (sqlite3.OperationalError("database or disk is full"), "What was stored before is safe; make room"),
    (sqlite3.OperationalError("disk I/O error"), "What was stored before is safe"),
    (sqlite3.DatabaseError("database disk image is malformed"), "is damaged or not a store .*Move it aside"),
    (sqlite3.OperationalError("no such table: draws"), "a.db: no such table: draws."),
    (PermissionError(13, "Permission denied"), "a.db cannot be opened: Permission denied."),
])
def test_every_error_of_the_file_says_what_to_do(error: Exception, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        raise explain(error, Path("a.db"))
