"""The house keeps its order: rooms import downwards only, methods stand alone, only the command line prints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "consilience"

RANKS = {room: rank for rank, rooms in enumerate((
    ("", "errors", "types"), ("sandbox",), ("reading",), ("model",), ("decode", "merge"), ("prompt", "wordings", "run", "purse", "compare"), ("gather", "voting"), ("method",), ("formula", "memory"),
    ("team",), ("registry",), ("saved",), ("learn", "store", "nursery"), ("methods", "models", "tasks"),
    ("bench", "serve", "cluster"), ("cli",), ("__main__",),
)) for room in rooms}
"""Rooms from the ground up: a room imports from its own rank or lower ranks only."""

APART = [("methods", "models"), ("methods", "tasks"), ("methods", "store"), ("methods", "nursery"), ("models", "methods"),
         ("models", "tasks"), ("tasks", "methods"), ("tasks", "models"), ("learn", "store"), ("learn", "nursery"),
         ("store", "learn"), ("nursery", "learn"), ("bench", "serve"), ("serve", "bench"), ("bench", "cluster"),
         ("serve", "cluster")]
"""Pairs (from, to) of one height that must not meet."""

DOORS = {("registry", "methods")}
"""Upward looks that are meant: the registry finds the methods of the package by walking it."""


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    return module.split(".")[0]


@cache
def tree_of(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Modules of the package (without the package's name) that a file imports, outside `if TYPE_CHECKING`."""
    for node in walk(tree_of(file)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "consilience" \
                else [node.module]
        else:
            assert not (isinstance(node, ast.ImportFrom) and node.level), f"{file}:{node.lineno}: relative import"
            continue
        for name in names:
            if name.startswith("consilience."):
                target = name.removeprefix("consilience.")
                yield (target if room_of(target) in RANKS else ""), node.lineno


def walk(node: ast.AST) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.stmt):
            yield child
        yield from walk(child)


def test_every_room_has_a_place() -> None:
    rooms = {room_of(name_of(file)) for file in files()}
    assert rooms <= set(RANKS), f"give these rooms a place in RANKS: {sorted(rooms - set(RANKS))}"


def test_imports_go_down_only() -> None:
    wrong = []
    for file in files():
        here = room_of(name_of(file))
        for target, line in imports(file):
            there = room_of(target)
            if here in ("", there) or (here, there) in DOORS:
                continue
            if RANKS[there] > RANKS[here] or (here, there) in APART:
                wrong.append(f"{file.relative_to(SOURCE)}:{line}: {here} must not import {there}")
    assert not wrong, "\n".join(wrong)


def test_a_method_never_imports_another_method() -> None:
    defining = {name_of(file): file for file in files() if name_of(file).startswith("methods.") and registers(file)}
    wrong = [f"{name} imports the method {target}" for name, file in defining.items()
             for target, _ in imports(file) if target in defining and target != name]
    assert defining and not wrong, "\n".join(wrong)


def registers(file: Path) -> bool:
    return any(isinstance(node, ast.ClassDef) and any(ast.unparse(d) == "register" for d in node.decorator_list)
               for node in ast.walk(tree_of(file)))


def test_only_the_command_line_prints() -> None:
    wrong = [f"{file.relative_to(SOURCE)}:{node.lineno}" for file in files() if room_of(name_of(file)) != "cli"
             for node in ast.walk(tree_of(file)) if isinstance(node, ast.Call) and speaks(node)]
    assert not wrong, f"print outside cli/: {wrong}"


def speaks(call: ast.Call) -> bool:
    return ast.unparse(call.func) in ("print", "sys.stdout.write", "sys.stderr.write", "rich.print")


@pytest.mark.parametrize("forbidden", ["pickle", "marshal", "shelve", "dill"])
def test_nothing_is_pickled(forbidden: str) -> None:
    wrong = [f"{file.relative_to(SOURCE)}:{node.lineno}" for file in files() for node in ast.walk(tree_of(file))
             if isinstance(node, ast.Import | ast.ImportFrom)
             and forbidden in [a.name for a in node.names] + [getattr(node, "module", "")]]
    assert not wrong


def test_files_and_functions_stay_short() -> None:
    long = [f"{file.relative_to(SOURCE)}: {lines} lines" for file in files()
            if (lines := len(file.read_text(encoding="utf-8").splitlines())) > 500]
    long += [f"{file.relative_to(SOURCE)}:{node.lineno}: {node.name} has {lines} lines" for file in files()
             for node in ast.walk(tree_of(file)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
             and (lines := (node.end_lineno or 0) - node.lineno + 1) > 60]
    assert not long, "\n".join(long)


def test_heavy_libraries_are_imported_inside_functions_of_light_rooms() -> None:
    heavy = {"torch", "transformers", "peft", "trl", "datasets", "sklearn", "plotly", "fastapi", "uvicorn", "ray", "pandas",
             "pyarrow"}
    light = set(RANKS) - {"decode", "nursery", "models", "merge", "learn", "serve", "cluster"}
    wrong = []
    for file in files():
        if room_of(name_of(file)) not in light:
            continue
        for node in tree_of(file).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else \
                [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            wrong += [f"{file.relative_to(SOURCE)}:{node.lineno}: {n}" for n in names if n.split(".")[0] in heavy]
    assert not wrong, "\n".join(wrong)
