"""The cost formula of a method: calls per question, as arithmetic over N and the options."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from consilience.errors import ConfigError
from consilience.method import Method

_OPERATORS: Mapping[type, Callable[..., Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv, ast.Pow: operator.pow, ast.Mod: operator.mod, ast.USub: operator.neg,
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt,
    ast.GtE: operator.ge, ast.Is: operator.is_, ast.IsNot: operator.is_not, ast.Not: operator.not_,
}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {"min": min, "max": max, "len": len}


def most_calls(method: Method, members: int) -> float | None:
    """Most calls per question by the method's formula over `members` members; None when it states none."""
    if not method.cost:
        return None
    try:
        return float(_value(ast.parse(method.cost, mode="eval").body, {**method.options(), "N": members}))
    except (ArithmeticError, KeyError, SyntaxError, TypeError, ValueError) as error:
        raise ConfigError(f"{method.name}: the cost formula {method.cost!r} cannot be computed: {error}") from None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    def of(child: ast.expr) -> Any:
        """The value of a part."""
        return _value(child, names)

    match node:
        case ast.Constant(value=value):
            return value
        case ast.Name(id=name):
            return names[name]
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](of(left), of(right))
        case ast.UnaryOp(op=op, operand=operand):
            return _OPERATORS[type(op)](of(operand))
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _OPERATORS[type(op)](of(left), of(right))
        case ast.BoolOp(op=op, values=values):
            return all(map(of, values)) if isinstance(op, ast.And) else any(map(of, values))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            return of(body) if of(test) else of(orelse)
        case ast.Call(func=ast.Name(id=name), args=args):
            return _FUNCTIONS[name](*map(of, args))
    raise SyntaxError(f"{ast.dump(node)[:60]} is not arithmetic")
