"""Size expressions in an exported graph. torch evaluates them as Python, and sympy simplifies them while a network is
loaded, so only small arithmetic of whole numbers and symbols passes, in the form in which sympy.srepr writes it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

# the symbol of a dimension; torch counts from 0 to the largest `u` when it loads a network
SYMBOL = re.compile(r"s[0-9]{1,9}|z?u[0-9]{1,4}", re.ASCII)
ASSUMPTIONS = ("positive", "nonnegative", "integer")
SUMS, DIVISIONS = ("Add", "Max", "Min"), ("FloorDiv", "CeilDiv", "CleanDiv", "Mod", "PythonMod")
MAX_TEXT, MAX_DEPTH, MAX_NUMBER = 500, 20, 2**63
# 3 unknowns up to the power of 4: polynomials of 35 terms
MAX_UNKNOWNS, MAX_DEGREE = 3, 4


def is_size(text: str) -> bool:
    """Whether this is arithmetic that takes no noticeable time."""
    if len(text) > MAX_TEXT or not text.isascii():
        return False
    try:
        node = ast.parse(text, mode="eval").body
        expression = _Expression()
        return expression.degree(node) <= MAX_DEGREE and len(expression.unknowns) <= MAX_UNKNOWNS
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


@dataclass
class _Expression:
    unknowns: set[str] = field(default_factory=set)

    def degree(self, node: ast.expr, depth: int = 0) -> int:
        """An upper bound for the degree of the polynomial; raises ValueError for what is not allowed."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or depth > MAX_DEPTH:
            raise ValueError
        name = node.func.id
        if name == "Symbol":
            return self._symbol(node)
        if node.keywords or not node.args:
            raise ValueError
        if name in ("Integer", "Rational"):
            numbers = [_number(item) for item in node.args]
            if len(numbers) != (1 if name == "Integer" else 2) or 0 in numbers[1:]:
                raise ValueError
            return 0
        if name == "Pow":
            base, power = node.args
            return self.degree(base, depth + 1) * _power(power)
        degrees = [self.degree(item, depth + 1) for item in node.args]
        if name in DIVISIONS:
            # sympy takes a quotient as one more unknown
            self.unknowns.add(ast.dump(node))
        elif name not in (*SUMS, "Mul"):
            raise ValueError
        return max(degrees) if name in SUMS else sum(degrees)

    def _symbol(self, node: ast.Call) -> int:
        name = node.args[0].value if len(node.args) == 1 and isinstance(node.args[0], ast.Constant) else None
        if not isinstance(name, str) or not SYMBOL.fullmatch(name):
            raise ValueError
        for item in node.keywords:
            if item.arg not in ASSUMPTIONS or not isinstance(item.value, ast.Constant) or item.value.value is not True:
                raise ValueError
        self.unknowns.add(name)
        return 1


def _number(node: ast.expr) -> int:
    sign = 1
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1
    if not isinstance(node, ast.Constant) or type(node.value) is not int or node.value > MAX_NUMBER:
        raise ValueError
    return sign * node.value


def _power(node: ast.expr) -> int:
    """1/4 to 4 as an exponent; a root counts as 1."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.keywords:
        raise ValueError
    numbers = [abs(_number(item)) for item in node.args]
    wanted = {"Integer": 1, "Rational": 2}.get(node.func.id)
    if len(numbers) != wanted or not all(0 < number <= MAX_DEGREE for number in numbers):
        raise ValueError
    return numbers[0]
