"""Arithmetic without eval: the expression is parsed, and only numbers and operators are let in."""

import ast
import math
import operator
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from agents.core.errors import ToolRetry
from agents.tools.registry import FunctionTool, define_tool

NAME = "calculator"
MAX_DEPTH, MAX_BITS, MAX_POWER = 50, 4_096, 10_000
Number = int | float

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: lambda a, b: a / b,
    ast.FloorDiv: lambda a, b: a // b,
    ast.Mod: operator.mod,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "ceil": math.ceil,
    "cos": math.cos,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "log10": math.log10,
    "max": max,
    "min": min,
    "round": round,
    "sin": math.sin,
    "sqrt": math.sqrt,
    "tan": math.tan,
}
_CONSTANTS = {"pi": math.pi, "e": math.e}


def calculator_tool() -> FunctionTool:
    """Return the tool."""

    async def calculator(
        expression: Annotated[str, Field(min_length=1, max_length=1_000)],
    ) -> str:
        return str(calculate(expression))

    return define_tool(
        calculator,
        name=NAME,
        description="Evaluate arithmetic: + - * / // % **, parentheses, sqrt, log, sin, pi …",
        tags=(),
    )


def calculate(expression: str) -> Number:
    """Return the value of an arithmetic expression.

    Raises:
        ToolRetry: It is no arithmetic, has no value, or would be too large.
    """
    try:
        tree = ast.parse(expression.strip().replace("^", "**"), mode="eval")
        return _bounded(_value(tree.body, 0))
    except (SyntaxError, RecursionError, MemoryError, UnicodeError):
        raise ToolRetry(f"{expression[:80]!r} is not an arithmetic expression.") from None
    except (ArithmeticError, ValueError, TypeError) as error:
        raise ToolRetry(f"{expression[:80]!r} has no value: {error}.") from None


def _value(node: ast.expr, depth: int) -> Number:
    if depth > MAX_DEPTH:
        raise ToolRetry("The expression is nested too deeply.")
    value: Number | None = None
    match node:
        case ast.Constant(value=int() | float() as constant) if not isinstance(constant, bool):
            value = constant
        case ast.Name(id=name):
            value = _CONSTANTS.get(name)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            value = -_value(inner, depth + 1)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            value = _value(inner, depth + 1)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            value = _power(_value(left, depth + 1), _value(right, depth + 1))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            value = _BINARY[type(op)](_value(left, depth + 1), _value(right, depth + 1))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            value = _FUNCTIONS[name](*(_value(arg, depth + 1) for arg in args))
        case _:
            pass
    if value is None:
        raise ToolRetry(f"{ast.unparse(node)[:80]!r} is not arithmetic.")
    return _bounded(value)


def _power(base: Number, exponent: Number) -> Number:
    """Raise to a power whose size is checked before it is computed."""
    bits = base.bit_length() if isinstance(base, int) else 0
    whole = isinstance(exponent, int) and bits > 1
    if abs(exponent) > MAX_POWER or (whole and bits * exponent > MAX_BITS):
        raise ToolRetry("The power would be too large.")
    value: Any = base**exponent
    if isinstance(value, complex):
        raise ToolRetry("The power is not a real number.")
    return value


def _bounded(value: Number) -> Number:
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ToolRetry("The number would be too large.")
    return value
