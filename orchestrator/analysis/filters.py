"""Filters of trials, in the grammar of MLflow's `search_runs`, with `or`, `not` and brackets besides.

params.architecture = 'mlp' and metrics.roc_auc > 0.9
status IN ('finished', 'stopped') and not params.optimizer LIKE 'sgd%'
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.analysis.names import find_column
from orchestrator.analysis.rows import known_columns
from orchestrator.errors import UsageError, did_you_mean
from orchestrator.journal.statuses import TrialStatus

TOKEN = re.compile(
    r"""\s*(?:
      (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`)
    | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))
    | (?P<operator>!=|<>|>=|<=|==|=|<|>)
    | (?P<mark>[(),.])
    | (?P<word>\w[\w:/-]*)
    )""",
    re.VERBOSE,
)
COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
TRUTH = {"true": True, "false": False}
# the column that has few values, all of them known
STATUS, STATUSES = "status", tuple(status.value for status in TrialStatus)
# a row, and whether it is wanted; None where what it has not decides, as in SQL
Test = Callable[[Mapping[str, Any]], bool | None]


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int

    def says(self, *words: str) -> bool:
        """Whether it is one of these words, however written."""
        return self.kind == "word" and self.text.upper() in words


def compile_filter(text: str, rows: Sequence[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], bool]:
    """Whether a trial is wanted, as a function of its row.

    Args:
        text: such as `params.architecture = 'mlp' and metrics.roc_auc > 0.9`. Compared are columns (`metrics.NAME`,
            `params.NAME`, or an attribute such as `status` or `seconds`; odd names in backticks or double quotes) by
            =, !=, <, <=, >, >=, LIKE, ILIKE (% is any text, _ any character), IN, NOT IN, IS NULL or IS NOT NULL with
            numbers or quoted texts; joined by `and`, `or`, `not` and brackets. What a trial has not is neither equal
            nor unequal to anything.
        rows: of all trials, see `TrialRow.cells`: their names are those that can be compared.

    Raises:
        UsageError: it cannot be read, or names what no trial has; says at which character.
    """
    parser = _Parser(text, rows)
    test = parser.parse()
    return lambda row: test(row) is True


class _Parser:
    """Recursive descent: or, and, not, then one comparison."""

    def __init__(self, text: str, rows: Sequence[Mapping[str, Any]]) -> None:
        self._text, self._rows, self._known = text, rows, known_columns(rows)
        self._tokens = self._split(text)
        self._next = 0

    def parse(self) -> Test:
        """The whole filter."""
        if self._peek.kind == "end":
            raise self._error(self._peek, "the filter is empty; write, for example, status = 'finished'")
        test = self._either()
        if self._peek.kind != "end":
            if self._peek.says("ORDER"):
                raise self._error(self._peek, "a filter does not sort; use --sort")
            raise self._error(self._peek, "`and`, `or` or the end was expected")
        return test

    def _split(self, text: str) -> list[_Token]:
        tokens, at = [], 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if found is None:
                start = at + len(text[at:]) - len(text[at:].lstrip())
                quote = text[start] in "'\"`"
                raise self._error(
                    _Token("text", text[start:], start), "the quote is not closed" if quote else "cannot be read"
                )
            kind = str(found.lastgroup)
            tokens.append(_Token(kind, found[kind], found.start(kind)))
            at = found.end()
        return [*tokens, _Token("end", "", len(text))]

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._peek
        self._next += token.kind != "end"
        return token

    def _taken(self, *words: str) -> bool:
        if not self._peek.says(*words):
            return False
        self._next += 1
        return True

    def _error(self, token: _Token, reason: str) -> UsageError:
        place = f"at its end, after {self._text.strip()!r}" if token.kind == "end" else f"at {token.text!r}"
        return UsageError(f"filter, character {token.at + 1}, {place}: {reason}")

    def _either(self) -> Test:
        tests = [self._both()]
        while self._taken("OR"):
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda row: _any([test(row) for test in tests])

    def _both(self) -> Test:
        tests = [self._single()]
        while self._taken("AND"):
            tests.append(self._single())
        return tests[0] if len(tests) == 1 else lambda row: _negated(_any([_negated(test(row)) for test in tests]))

    def _single(self) -> Test:
        if self._taken("NOT"):
            test = self._single()
            return lambda row: _negated(test(row))
        if self._peek.text == "(" and self._peek.kind == "mark":
            opened = self._take()
            test = self._either()
            if self._peek.text != ")":
                raise self._error(opened, "the bracket is not closed")
            self._take()
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        start, name = self._name()
        column = find_column(name, self._known)
        if column.missing:
            raise self._error(_Token("word", name, start.at), column.missing)
        token = self._take()
        if token.kind == "operator":
            return self._compared(column.name, token)
        if token.says("IS"):
            negated = self._taken("NOT")
            if not self._taken("NULL"):
                raise self._error(self._peek, "NULL was expected: write IS NULL or IS NOT NULL")
            return lambda row: (row.get(column.name) is None) != negated
        negated = token.says("NOT")
        token = self._take() if negated else token
        if token.says("IN"):
            test = self._member(column.name)
        elif token.says("LIKE", "ILIKE"):
            test = self._like(column.name, ignoring_case=token.says("ILIKE"))
        else:
            known = "=, !=, <, <=, >, >=, LIKE, ILIKE, IN or IS NULL"
            raise self._error(token, f"a comparison was expected after {name}: {known}")
        return (lambda row: _negated(test(row))) if negated else test

    def _name(self) -> tuple[_Token, str]:
        """A name of one or several parts, such as `metrics.roc_auc`, with its first token."""
        first = token = self._take()
        parts: list[str] = []
        while True:
            if token.kind not in ("word", "text") or token.text.startswith("'") or token.says("AND", "OR"):
                raise self._error(token, "a name was expected, such as metrics.roc_auc, params.width or status")
            parts.append(token.text[1:-1] if token.kind == "text" else token.text)
            if self._peek.text != ".":
                return first, ".".join(parts)
            self._take()
            token = self._take()

    def _compared(self, column: str, sign: _Token) -> Test:
        if sign.text == "==":
            raise self._error(sign, "write = for equal")
        token, value = self._literal(column)
        holds = COMPARISONS[sign.text]
        if sign.text in ("=", "!=", "<>"):
            return lambda row: None if row.get(column) is None else holds(_same(row[column], value), True)
        if isinstance(value, bool):
            raise self._error(token, "true and false are neither larger nor smaller than anything")

        def test(row: Mapping[str, Any]) -> bool | None:
            cell = row.get(column)
            if cell is None or isinstance(cell, str) != isinstance(value, str):
                return None
            return holds(cell, value)

        return test

    def _member(self, column: str) -> Test:
        if self._peek.text != "(":
            raise self._error(self._peek, "a list in brackets was expected, such as IN ('adam', 'adamw')")
        self._take()
        values = [self._literal(column)[1]]
        while self._peek.text == ",":
            self._take()
            values.append(self._literal(column)[1])
        if self._peek.text != ")":
            raise self._error(self._peek, "`,` or `)` was expected")
        self._take()
        return lambda row: None if row.get(column) is None else any(_same(row[column], value) for value in values)

    def _like(self, column: str, *, ignoring_case: bool) -> Test:
        token = self._take()
        if token.kind != "text" or token.text.startswith("`"):
            raise self._error(token, "a quoted pattern was expected, such as LIKE 'sgd%'")
        signs = {"%": ".*", "_": "."}
        pattern = "".join(signs.get(sign) or re.escape(sign) for sign in _unquoted(token.text))
        wanted = re.compile(pattern, re.DOTALL | (re.IGNORECASE if ignoring_case else 0))
        return lambda row: None if row.get(column) is None else wanted.fullmatch(_shown(row[column])) is not None

    def _literal(self, column: str) -> tuple[_Token, Any]:
        """A value to compare a column with; a number in quotes, as MLflow writes parameters, is a number."""
        token = self._take()
        if token.kind == "word" and token.text.lower() in TRUTH:
            return token, TRUTH[token.text.lower()]
        if token.kind == "word":
            raise self._error(token, f"a number or a text in quotes was expected; write '{token.text}'")
        if token.kind not in ("text", "number") or token.text.startswith("`"):
            raise self._error(token, "a number or a text in quotes was expected")
        if column == STATUS and _unquoted(token.text) not in STATUSES:
            hint = did_you_mean(token.text.lower(), STATUSES)
            raise self._error(token, f"there is no such status; there are: {', '.join(STATUSES)}{hint}")
        number = _number(token.text if token.kind == "number" else _unquoted(token.text))
        cells = [row[column] for row in self._rows if row.get(column) is not None]
        if cells and not any(isinstance(cell, str) for cell in cells):
            truth = TRUTH.get(_unquoted(token.text).lower()) if token.kind == "text" else None
            if truth is None and number is None:
                raise self._error(token, f"{column} has numbers, and this is none")
            return token, number if truth is None else truth
        return token, _unquoted(token.text) if token.kind == "text" else number


def _any(found: Sequence[bool | None]) -> bool | None:
    """`or` of SQL: unknown unless one is true or all are false."""
    return True if True in found else None if None in found else False


def _negated(found: bool | None) -> bool | None:
    return None if found is None else not found


def _same(cell: object, value: object) -> bool:
    """Whether a cell is a value; one of both may be a text where the other is a number, as in a column of both."""
    if isinstance(cell, bool) or isinstance(value, bool):
        return _shown(cell).lower() == _shown(value).lower()
    if isinstance(cell, str) != isinstance(value, str):
        number = _number(cell if isinstance(cell, str) else str(value))
        return number is not None and number == (value if isinstance(cell, str) else cell)
    return cell == value


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unquoted(text: str) -> str:
    if text[:1] not in ("'", '"'):
        return text
    return text[1:-1].replace(text[0] * 2, text[0])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
