"""Files of rows and their broken lines."""

import gzip
from pathlib import Path

import pytest

from consilience.errors import TaskError
from consilience.tasks import files
from consilience.tasks.files import kind, rows


def read(path: Path) -> list[dict[str, object]]:
    return [dict(row) for _, row in rows(path)]


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize(("name", "text"), [
    ("a.jsonl", '{"q": "one", "n": "1"}\n\n{"q": "two", "n": "2"}\n'), ("a.jsonl.gz", '{"q": "one", "n": "1"}\n{"q": "two", "n": "2"}'),
    ("a.json", '[{"q": "one", "n": "1"}, {"q": "two", "n": "2"}]'), ("a.csv", "\ufeffq,n\none,1\ntwo,2\n"), ("a.csv.gz", 'q,n\n"one",1\ntwo,2\n'),
    ("a.csv", "q;n\none;1\n\"two\";2\n"), ("a.csv", "q\tn\none\t1\ntwo\t2\n"),
])
def test_all_kinds_read_alike(tmp_path: Path, name: str, text: str) -> None:
    assert read(write(tmp_path / name, text)) == [{"q": "one", "n": "1"}, {"q": "two", "n": "2"}]


def test_parquet(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra [hub] is not installed")
    from pyarrow import parquet

    parquet.write_table(arrow.Table.from_pylist([{"q": "one", "o": ["a", "b"]}, {"q": "two", "o": None}]), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet") == [{"q": "one", "o": ["a", "b"]}, {"q": "two"}]
    with pytest.raises(TaskError, match="cannot be read as parquet"):
        read(write(tmp_path / "b.parquet", "no"))


@pytest.mark.parametrize(("name", "text", "message"), [
    ("a.jsonl", '{"q": 1}\n{"q": \n', "line 2 is not JSON"), ("a.jsonl", '{"q": 1}\n\n[1]\n', "line 3: a JSON object was expected, found list"),
    ("a.csv", "q,n\none,1\ntwo\n", "line 3 has not as many fields"), ("a.csv", "q,n\none,1,extra\n", "line 2 has not as many fields"),
    ("a.json", '{"q": 1}', "a list of questions was expected"), ("a.json", "[", "is not JSON"), ("a.json", "[" * 100_000, "is not JSON"), ("a.json", '{"a":' * 100_000, "is not JSON"),
    ("a.csv", "q,n,n\none,1,2\n", "two columns are called 'n'"), ("a.txt", "", "unknown kind of file '.txt'"),
])
def test_a_broken_line_is_named(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(TaskError, match=message):
        read(write(tmp_path / name, text))


def test_long_fields_of_tables_are_read(tmp_path: Path) -> None:
    passage = "x" * 200_000
    assert read(write(tmp_path / "long.csv", f'q\n"{passage}\n, ""so"""\n')) == [{"q": f'{passage}\n, "so"'}]


def test_halves_of_characters_are_question_marks(tmp_path: Path) -> None:
    row = '{"q": "a\\ud83d", "\\uDE00": ["\\ud83d\\ude00", "\\udc00b"]}'
    assert read(write(tmp_path / "a.jsonl", row)) == [{"q": "a?", "?": ["\U0001f600", "?b"]}]
    assert read(write(tmp_path / "a.json", f"[{row}]")) == [{"q": "a?", "?": ["\U0001f600", "?b"]}]


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_what_is_no_utf_8_is_said(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes("caf\u00e9".encode("latin-1"))
    with pytest.raises(TaskError, match="is no UTF-8 text .byte 4."):
        read(tmp_path / name)


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"q": 1}\n' * 99)[:-20])
    with pytest.raises(TaskError, match="is damaged"):
        read(tmp_path / "a.jsonl.gz")
    (tmp_path / "b.jsonl.gz").write_bytes(b"not packed")
    with pytest.raises(TaskError, match="b.jsonl.gz"):
        read(tmp_path / "b.jsonl.gz")
    with pytest.raises(TaskError, match="No such file"):
        read(tmp_path / "c.jsonl")
    assert kind(Path("x.y.csv.gz")) == ".csv"


def test_fields_are_texts_and_lists_are_lists() -> None:
    row = {"a": None, "b": "", "c": 0, "d": "x"}
    assert (files.field(row, "a", "b", "c", "d"), files.field(row, "a", "e"), files.field(row)) == ("0", "", "")
    assert [list(files.listed(value)) for value in ("x", '["a", 1]', "[1", '[{"a": 1}]', ["a"], "[sic]")] == [
        ["x"], ["a", 1], ["[1"], ['[{"a": 1}]'], ["a"], ["[sic]"]]
