"""The files of results: whole lines count, and what goes wrong says what is safe."""

from __future__ import annotations

from pathlib import Path

import pytest

from consilience.bench.results import (
    RESULTS, TRACES, Results, failed_row, make_row, read_questions, read_rows, read_traces, write_questions, write_text)
from consilience.errors import ConfigError, NoAnswerError, StoreError
from consilience.types import Reply
from tests.bench.scenes import example

WHO = ("vote", "method", "text")


def filled(folder: Path, *keys: str, text: str = "A") -> None:
    with Results(folder) as results:
        for key in keys:
            reply = Reply(text, "A", model="m", parts=(Reply("A", model="a"),))
            results.write(make_row(WHO, "quiz", example(len(key)), reply, 1.0, key), reply)


def keys(folder: Path) -> list[str]:
    return [row.key for row in read_rows(folder)]


@pytest.mark.parametrize("left", [1, 70_000, 65_536, 65_537, 200_000])
def test_a_line_that_a_crash_cut_is_taken_off(tmp_path: Path, left: int) -> None:
    """However long it is: files are read backwards in blocks of 65,536 bytes."""
    filled(tmp_path, "k", "kk")
    whole = (tmp_path / RESULTS).read_bytes()
    for rest in (b"{" * left, whole.splitlines()[1][:-1]):
        (tmp_path / RESULTS).write_bytes(whole + rest)
        assert keys(tmp_path) == ["k", "kk"], "what is not whole is not read"
        filled(tmp_path, "kkk")
        assert keys(tmp_path) == ["k", "kk", "kkk"]
    (tmp_path / RESULTS).write_bytes(b"{" * left)
    filled(tmp_path, "only")
    assert keys(tmp_path) == ["only"]


def test_settled_files_hold_the_last_row_of_each_key_in_order(tmp_path: Path) -> None:
    filled(tmp_path, "kk", "k", "gone")
    with Results(tmp_path) as results:
        again = Reply("B", "B", model="m")
        results.write(make_row(WHO, "quiz", example(2), again, 0.0, "kk"), again)
        results.write(failed_row(WHO, "quiz", example(3), NoAnswerError(""), "kkk"), None)
        assert results.done(failed=False) == {"k", "kk", "gone"} and "kkk" in results.done(failed=True)
        results.settle(lambda key: None if key == "gone" else (len(key),))
    rows = {row.key: row for row in read_rows(tmp_path)}
    assert list(rows) == ["k", "kk", "kkk"] and rows["kk"].text == "B" and rows["kkk"].error == "NoAnswerError"
    traces = read_traces(tmp_path, {row.trace for row in rows.values()})
    assert {trace: tree["text"] for trace, tree in traces.items()} == {rows["k"].trace: "A", rows["kk"].trace: "B"}
    assert len((tmp_path / TRACES).read_bytes().splitlines()) == 2


def test_a_full_disk_is_told_and_what_is_there_is_safe(tmp_path: Path) -> None:
    filled(tmp_path, "k")
    (tmp_path / TRACES).unlink()
    (tmp_path / TRACES).symlink_to("/dev/full")
    with Results(tmp_path) as results, pytest.raises(StoreError, match="No space left.* What is there is safe"):
        reply = Reply("A", "A", model="m")
        results.write(make_row(WHO, "quiz", example(2), reply, 1.0, "kk"), reply)
    assert keys(tmp_path) == ["k"], "a row never lacks its trace"


def test_places_that_cannot_be_written_or_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="results folder .*file.* cannot be written: File exists"):
        Results(tmp_path / "file")
    with pytest.raises(StoreError, match="report.html cannot be written: No such file"):
        write_text(tmp_path / "none" / "report.html", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="folder cannot be written: Is a directory"):
        write_text(tmp_path / "folder", "x")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"], "no temporary file stays"
    with pytest.raises(ConfigError, match="there are no results in .*: No such file"):
        list(read_rows(tmp_path))
    (tmp_path / RESULTS).write_text('{"method": "vote"}\n')
    with pytest.raises(ConfigError, match="results.jsonl, line 1 is not a result row"):
        list(read_rows(tmp_path))


def test_questions_are_kept_where_they_were_written(tmp_path: Path) -> None:
    assert read_questions(tmp_path) == {}
    write_questions(tmp_path, [("quiz", [example(1)])])
    assert read_questions(tmp_path)["quiz", "test-1"]["references"] == ["B"]
