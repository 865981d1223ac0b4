"""The code that a team runs, as one digest: what was found with other code is not taken for this code's word."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import consilience
from consilience.method import Method
from consilience.team import Team
from consilience.types import digest

_PACKAGE = Path(consilience.__file__).parent


def code_digest(team: Team) -> str:
    """Digest of the source of a team's methods, nested ones included, and of all that it imports from this package or
    from the method's own folder. Comments and docstrings do not count."""
    models = [*team.members, *(m for models in team.roles.values() for m in models)]
    inner = [code_digest(m) for m in models if isinstance(m, Team)]
    cls = type(team.method)
    return digest([_typed_in(cls), sorted(set(files(cls).values())), *inner])


def _typed_in(cls: type[Method]) -> str:
    """The source of a method that lies in no file, but was typed into a notebook or a console."""
    try:
        return "" if _file(cls) else inspect.getsource(cls)
    except (OSError, TypeError):
        return cls.__qualname__


def _file(cls: type) -> str | None:
    return getattr(sys.modules.get(cls.__module__), "__file__", None)


def files(cls: type[Method]) -> dict[Path, str]:
    """The files of this package, and of the method's own folder, that run when a team with this method is asked, each
    with the digest of its code."""
    written = [base for base in cls.__mro__ if issubclass(base, Method)]
    todo = [Path(file) for base in (Team, *written) if (file := _file(base))]
    found: dict[Path, str] = {}
    while todo:
        file = todo.pop()
        if file not in found and file.is_file():
            state = file.stat()
            found[file], imported = _read(file, state.st_mtime_ns, state.st_size)
            todo += imported
    return found


@lru_cache(maxsize=None)
def _read(file: Path, changed: int, size: int) -> tuple[str, Sequence[Path]]:
    """Digest of a file's code as it is now, and the files that it imports. A file that is no Python, and only bears the
    name of something imported, counts by its bytes."""
    source = file.read_bytes()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return digest(source.hex()), []
    places = {place for name in set(_imported(tree)) for place in _places(name, file.parent)}
    return digest(ast.unparse(_Bare().visit(tree))), [place for place in places if place.is_file()]


class _Bare(ast.NodeTransformer):
    """Drops docstrings, of fields too."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """None for a text that stands by itself."""
        constant = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if constant else node


def _imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names, those that are no module among them; a leading dot stands for the file's own folder."""
    public = {node.asname or node.name for node in ast.walk(tree) if isinstance(node, ast.alias)
              and node.name == "consilience"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            yield home
            yield from (_at_home(alias.name) if home == "consilience" else f"{home}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in public:
            yield _at_home(node.attr)


def _at_home(name: str) -> str:
    """The module that a public name lives in."""
    return f"consilience.{consilience._HOME.get(name, name).partition(':')[0]}"


def _places(name: str, folder: Path) -> list[Path]:
    """The files that a dotted name may mean to a file in `folder`."""
    dots = len(name) - len(name.lstrip("."))
    if dots:
        root = folder.parents[dots - 2] if dots > 1 else folder
    else:
        root = _PACKAGE.parent if name.partition(".")[0] == "consilience" else folder
    place = root.joinpath(*(part for part in name.split(".") if part))
    return [place.with_suffix(".py"), place / "__init__.py"]
