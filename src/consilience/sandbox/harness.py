"""What runs inside the sandbox when a program is tested: the program, then each test by itself. Standard library only.

`SETTING` is set before: a mark that nobody can guess, the program, and the tests. Each line that begins with the mark tells
one thing: first the sources of all tests (a JSON list), then that the program `stands`, `begun`, `passed` or `failed` with the
number of a test (and in hex what went wrong), and at the `end` that all were run. Whatever is needed to tell is at hand before the
program begins, which may change any module that it likes.
"""

import ast
import builtins
import json
import os
from types import CodeType

SETTING: tuple[str, str, str]
SHOWN = 200
SAME = "=="
"""The name, which no program can spell, under which tests compare."""


class Step:
    """A statement of the tests. `source` is empty where it is no test; `code` is why there is none where it cannot be compiled;
    `left` is the left side of a comparison, with its code."""

    def __init__(self, node: ast.stmt) -> None:
        self.source, self.left = "", ("", compile("None", "tests.py", "eval"))
        if isinstance(node, ast.Assert) or isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            self.source = ast.unparse(node)
        self.code: CodeType | str
        try:
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                self.left = ast.unparse(node.test.left), compile(ast.Expression(node.test.left), "tests.py", "eval")
            own = ast.fix_missing_locations(ast.Module([Comparing().visit(node)], []))
            self.code = compile(own, "tests.py", "exec")
        except (SyntaxError, ValueError) as error:
            self.code = f"{type(error).__name__}: {error}"


def same(left: object, right: object) -> object:
    """`left == right`, but for what calls itself equal to whatever it meets."""
    found = left == right
    stranger = type("Stranger", (), {})()
    for one in (left, right):
        if type(one).__module__ == "program":
            try:
                lies = bool(found and one == stranger)
            except Exception:
                lies = False
            if lies:
                raise AssertionError(f"{type(one).__name__} calls itself equal to everything")
    return found


class Comparing(ast.NodeTransformer):
    """Has `==` asked by `same`."""

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        """A single `==` becomes a call of `same`."""
        self.generic_visit(node)
        if [*map(type, node.ops)] != [ast.Eq]:
            return node
        return ast.copy_location(ast.Call(ast.Name(SAME, ast.Load()), [node.left, *node.comparators], []), node)


def planned(tests: str) -> list[Step]:
    """All statements in order, then the test functions; none where the tests are no Python."""
    try:
        body = ast.parse(tests, "tests.py").body
        calls = [f"{node.name}()" for node in body
                 if isinstance(node, ast.FunctionDef) and node.name.startswith("test") and not node.args.args]
        return [Step(node) for node in (*body, *ast.parse("\n".join(calls)).body)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []


def trouble(error: BaseException, left: tuple[str, CodeType], space: dict[str, object]) -> str:
    """What went wrong; for a comparison that does not hold, with the value of its left side."""
    said = "an error"
    try:
        said = type(error).__name__ or said
        said = f"{said}: {error}" if str(error) else said
        if left[0] and isinstance(error, AssertionError):
            said += f" ({left[0]} is {eval(left[1], space)!r})"
    except BaseException:
        pass        # what tells of an error may have errors of its own
    return said[:SHOWN]


def main(mark: str, program: str, tests: str) -> None:
    """Run the program, then every statement of the tests, and tell of each."""
    own, before, write, leave = vars(builtins), dict(vars(builtins)), os.write, os._exit
    space: dict[str, object] = {"__name__": "program"}

    def tell(what: str) -> None:
        """A line that begins with the mark."""
        write(1, f"\n{mark}{what}\n".encode())

    steps, number = planned(tests), -1
    tell(json.dumps([step.source for step in steps if step.source]))
    with open(__file__, "w", encoding="utf-8", errors="replace") as file:
        file.write(program)     # what Python quotes in an error is then the program's line, and the mark is gone
    exec(compile(program, "program.py", "exec"), space)
    tell("stands")
    for step in steps:
        own.update(before)      # a program may have changed them for itself, not for its tests
        space.update({"__builtins__": builtins, SAME: same})
        number += bool(step.source)
        if step.source:
            tell(f"begun {number}")
        try:
            if isinstance(step.code, str):
                raise SyntaxError(step.code)
            exec(step.code, space)
            error = None
        except BaseException as raised:
            error = raised
        if step.source:
            told = trouble(error, step.left, space) if error is not None else ""
            tell(f"passed {number}" if error is None else f"failed {number} {told.encode(errors='replace').hex()}")
    tell("end")
    leave(0)        # at once: neither its threads nor what it left for the exit are waited for


main(*globals().pop("SETTING"))
