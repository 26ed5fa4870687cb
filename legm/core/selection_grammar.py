"""The language in which configurations and runs are selected: its grammar, and the tree of a text.

::

    either     :=  both ("or" both)*
    both       :=  one ("and" one)*
    one        :=  "not" one  |  "(" either ")"  |  "missing" "(" name ")"  |  condition
    condition  :=  name operator value ("," value)*  |  name ["not"] "in" "(" value ("," value)* ")"
                |  name "is" ["not"] "absent"  |  field ":" value ("," value)*
    operator   :=  "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "~"

A name or value needs quotes only where it could be read as something else: a name backticks, a value ``'`` or
``"``. A value without quotes ends at ``and``, ``or``, a comma or a closing bracket that it did not open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from legm.errors import SelectionError, closest

__all__ = [
    "ABSENT",
    "FIELDS",
    "Both",
    "Condition",
    "Either",
    "Expression",
    "Negation",
    "ValueText",
    "conditions_of_selection",
    "parse_selection",
    "quoted_selection_name",
    "quoted_selection_value",
    "readings_of_selection",
]

FIELDS = ("tag", "status", "run", "description", "started", "ended")
"""What can be asked of a run beside parameters, as in ``status:failed``."""

ABSENT = "absent"
"""The operator of a condition that a parameter is not there."""

_MAX_LENGTH = 20_000  # characters
_MAX_DEPTH = 100
_OPERATOR = re.compile(r"!=|<=|>=|==?|<|>|~")
_ORDERING = frozenset({"<", "<=", ">", ">="})
_SECOND_OPERATOR = re.compile(r"[<>=!~]")
_KEYWORD = re.compile(r"(and|or|AND|OR)(?=[\s(`]|$)")
_NOT = re.compile(r"(not|NOT)(?=[\s(`])")
_MISSING = re.compile(r"missing\s*\(")
_MEMBERSHIP = re.compile(r"(?P<not>not\s+|NOT\s+)?(in|IN)\s*(?=[(\[])")
_PRESENCE = re.compile(r"(is|IS)\s+(?P<not>not\s+|NOT\s+)?(absent|missing)\b")
_FIELD = re.compile(rf"({'|'.join(FIELDS)}):")
_QUOTED = re.compile(r"(?:'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\")\s*", re.DOTALL)
_WHOLE_IN_PATTERN = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)  # an escape, a class
_OPENING, _CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class ValueText:
    """A value as it was typed.

    Args:
        text: without its quotes.
        is_quoted: whether it was in quotes, so that it is a text and nothing else.
    """

    text: str
    is_quoted: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition on a parameter, or on a field of the run.

    Args:
        name: of the parameter or field.
        operator: one of = != < <= > >= ~, or :data:`ABSENT`.
        text: all that it is compared with, as it was typed.
        values: the single values.
        is_field: whether the name is that of a field (``status:failed``).
        is_quoted: whether the name was in backticks, so that it is a parameter's and has no operator in it.
        position: where the condition begins in the selection's text, in characters.
    """

    name: str
    operator: str
    text: str = ""
    values: tuple[ValueText, ...] = ()
    is_field: bool = False
    is_quoted: bool = False
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.operator == ABSENT:
            return f"{quoted_selection_name(self.name)} is absent"
        if self.is_field and self.operator == "=":
            return f"{self.name}:{self.text}"
        return (
            f"{quoted_selection_name(self.name) if self.is_quoted else self.name}{self.operator}{self.text}"
        )


@dataclass(frozen=True, slots=True)
class Negation:
    """What holds where something else does not."""

    inner: Expression

    def __str__(self) -> str:
        inner = str(self.inner)
        return f"not {inner if isinstance(self.inner, (Condition, Negation)) else f'({inner})'}"


@dataclass(frozen=True, slots=True)
class Both:
    """What holds where all of its parts do."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(f"({one})" if isinstance(one, Either) else str(one) for one in self.parts)


@dataclass(frozen=True, slots=True)
class Either:
    """What holds where one of its parts does."""

    parts: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


Expression: TypeAlias = "Condition | Negation | Both | Either"


def parse_selection(text: str) -> Expression:
    """The tree that a text stands for.

    Raises:
        SelectionError: the text is not a selection.
    """
    if len(text) > _MAX_LENGTH:
        raise SelectionError(
            f"the selection has {len(text):,} characters, more than {_MAX_LENGTH:,}", text, 0
        )
    return _SelectionParser(text).parse()


def conditions_of_selection(expression: Expression) -> Iterator[Condition]:
    """The conditions in a tree, from left to right."""
    if isinstance(expression, Condition):
        yield expression
    elif isinstance(expression, Negation):
        yield from conditions_of_selection(expression.inner)
    else:
        for part in expression.parts:
            yield from conditions_of_selection(part)


def readings_of_selection(condition: Condition) -> Iterator[Condition]:
    """A condition, and what it means if an operator in it belongs to the name or to the value."""
    yield condition
    if condition.is_quoted or condition.is_field or condition.operator == ABSENT:
        return
    whole = f"{condition.name}{condition.operator}{condition.text}"
    for sign in list(_OPERATOR.finditer(whole))[1:]:
        operator = "=" if sign[0] == "==" else sign[0]
        text = whole[sign.end() :].strip()
        values = (ValueText(text),) if operator == "~" else _SelectionParser(text).values_only()
        name = whole[: sign.start()].strip()
        yield Condition(name, operator, text, values, position=condition.position)


def quoted_selection_name(name: str) -> str:
    """A parameter's name as a selection has to have it: in backticks where it could be read otherwise."""
    try:
        found = parse_selection(f"(x=1 or {name}=1)")
    except SelectionError:
        found = None
    if found == Either(tuple(Condition(one, "=", "1", (ValueText("1"),)) for one in ("x", name))):
        return name
    return f"`{name.replace('`', '``')}`"


def quoted_selection_value(text: str, quote: str = "") -> str:
    """A value as a selection has to have it: in quotes where it could be read otherwise.

    Args:
        text: the value.
        quote: the quotes to put it in; "" for ``'``, where some are needed.
    """
    try:
        found = None if quote or not text else parse_selection(f"(x={text},z or y=1)")
    except SelectionError:
        found = None
    if isinstance(found, Either) and next(conditions_of_selection(found)).values == (
        ValueText(text),
        ValueText("z"),
    ):
        return text
    quote = quote or "'"
    escaped = text.replace("\\", "\\\\").replace(quote, f"\\{quote}")
    return f"{quote}{escaped}{quote}"


class _SelectionParser:
    """Reads a text from left to right.

    Args:
        text: the whole selection.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        """The whole text as one tree."""
        found = self._either()
        if not self._is_at_end():
            problem = "this bracket is not opened" if self._next() == ")" else "and or or is missing here"
            raise self._error(problem)
        return found

    def values_only(self) -> tuple[ValueText, ...]:
        """The values that the whole text lists."""
        values, _ = self._values()
        return values

    # Where it is

    def _error(self, problem: str, position: int | None = None) -> SelectionError:
        return SelectionError(problem, self._text, self._at if position is None else position)

    def _skip_space(self) -> None:
        while self._at < len(self._text) and self._text[self._at].isspace():
            self._at += 1

    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _is_at_end(self) -> bool:
        self._skip_space()
        return self._at >= len(self._text)

    def _takes(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip_space()
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()
        return found

    def _takes_keyword(self, word: str) -> bool:
        self._skip_space()
        found = _KEYWORD.match(self._text, self._at)
        if found and found[0].lower() == word:
            self._at = found.end()
            return True
        return False

    # Trees

    def _either(self) -> Expression:
        parts = [self._both()]
        while self._takes_keyword("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Expression:
        parts = [self._one()]
        while self._takes_keyword("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error(f"the selection is nested more than {_MAX_DEPTH} deep")
        try:
            return self._negation_or_group()
        finally:
            self._depth -= 1

    def _negation_or_group(self) -> Expression:
        if self._is_at_end():
            raise self._error("a condition is missing here, such as lr<0.1")
        if self._takes(_NOT):
            return Negation(self._one())
        if self._next() == "(":
            start = self._at
            self._at += 1
            inner = self._either()
            if self._is_at_end() or self._next() != ")":
                raise self._error("this bracket is not closed", start)
            self._at += 1
            return inner
        return self._condition()

    # Conditions

    def _condition(self) -> Expression:
        self._skip_space()
        start = self._at
        if self._takes(_MISSING):
            name, is_quoted = self._name(")")
            if self._is_at_end() or self._next() != ")":
                raise self._error("missing( has to be closed after one name", start)
            self._at += 1
            return Condition(name, ABSENT, is_quoted=is_quoted, position=start)
        field = self._takes(_FIELD)
        if field:
            return self._compared(field[1], "=", start, is_field=True)
        name, is_quoted = self._name("")
        presence = self._takes(_PRESENCE)
        if presence:
            absent = Condition(name, ABSENT, is_quoted=is_quoted, position=start)
            return Negation(absent) if presence["not"] else absent
        membership = self._takes(_MEMBERSHIP)
        if membership:
            member = self._member(name, start, is_quoted=is_quoted)
            return Negation(member) if membership["not"] else member
        sign = self._takes(_OPERATOR)
        if sign is None:
            raise self._no_condition(name, start)
        operator = "=" if sign[0] == "==" else sign[0]
        return self._compared(name, operator, start, is_quoted=is_quoted)

    def _no_condition(self, name: str, start: int) -> SelectionError:
        before, colon, _ = name.partition(":")
        if colon:
            return self._error(f"there is no field {before!r}; {closest(before, FIELDS)}", start)
        return self._error(
            f"{name!r} is not a condition: NAME=VALUE, NAME<VALUE, NAME~PATTERN, tag:TAG, … "
            "(a value with 'and' or 'or' in it needs quotes)",
            start,
        )

    def _name(self, end: str) -> tuple[str, bool]:
        """A parameter's name, and whether it was in backticks."""
        self._skip_space()
        start = self._at
        if _KEYWORD.match(self._text, start):
            raise self._error("a condition is missing here, such as lr<0.1")
        if self._next() == "`":
            return self._quoted("`"), True
        depth = 0
        while self._at < len(self._text):
            sign = self._text[self._at]
            if depth == 0 and (self._is_name_at_end(start) or (sign == ")" or sign in end)):
                break
            depth += (sign == "(") - (sign == ")")
            self._at += 1
        name = self._text[start : self._at].strip()
        if not name:
            raise self._error("a parameter's name is missing here", start)
        return name, False

    def _is_name_at_end(self, start: int) -> bool:
        """Whether a name ends at this character: at an operator, or a word of the language."""
        if _OPERATOR.match(self._text, self._at):
            return True
        if self._at == start or not self._text[self._at - 1].isspace():
            return False
        return any(one.match(self._text, self._at) for one in (_KEYWORD, _MEMBERSHIP, _PRESENCE))

    def _compared(
        self, name: str, operator: str, start: int, *, is_field: bool = False, is_quoted: bool = False
    ) -> Condition:
        self._skip_space()
        begin = self._at
        if not is_field and (operator in _ORDERING or self._next() == "="):
            self._refuse_second_operator(operator)
        values, text = self._values(is_pattern=operator == "~")
        if not text and not values[0].is_quoted and (is_field or operator not in {"=", "!="}):
            raise self._error(f"a value is missing after {self._text[start:begin].strip()!r}", begin)
        return Condition(name, operator, text, values, is_field, is_quoted, start)

    def _refuse_second_operator(self, first: str) -> None:
        """Refuse ``lr<<2``, ``lr<>2`` and ``lr===2``, where nobody means a value that begins so."""
        second = _SECOND_OPERATOR.match(self._text, self._at)
        if second and first != "~":
            raise self._error(
                f"there is an operator here already, {first!r}; "
                f"a value that begins with {second[0]!r} needs quotes"
            )

    def _member(self, name: str, start: int, *, is_quoted: bool) -> Condition:
        closing = _CLOSING[_OPENING.index(self._next())]
        opened = self._at
        self._at += 1
        values, text = self._values(closing)
        if self._is_at_end() or self._next() != closing:
            raise self._error("this list is not closed", opened)
        self._at += 1
        return Condition(name, "=", text, values, is_quoted=is_quoted, position=start)

    # Values

    def _values(self, closing: str = ")", *, is_pattern: bool = False) -> tuple[tuple[ValueText, ...], str]:
        """Values that commas separate, or one pattern; and their whole text."""
        self._skip_space()
        start = self._at
        end = f"){closing}" if is_pattern else f"){closing},"
        found = [self._value(end, is_pattern=is_pattern)]
        while not is_pattern and self._next() == ",":
            self._at += 1
            found.append(self._value(end))
        only = found[0]
        text = only.text if len(found) == 1 and only.is_quoted else self._text[start : self._at].strip()
        return tuple(found), text

    def _value(self, end: str, *, is_pattern: bool = False) -> ValueText:
        self._skip_space()
        start, depth = self._at, 0
        if self._next() in {"'", '"'} and self._is_quoted_value():
            text = self._quoted(self._next())
            self._skip_space()
            return ValueText(text, is_quoted=True)
        while self._at < len(self._text):
            sign = self._text[self._at]
            if depth == 0 and (sign in end or self._is_value_at_end(start)):
                break
            if is_pattern and (whole := _WHOLE_IN_PATTERN.match(self._text, self._at)):
                self._at = whole.end()
                continue
            depth = max(0, depth + (sign in _OPENING) - (sign in _CLOSING))
            self._at += 1
        return ValueText(self._text[start : self._at].strip())

    def _is_value_at_end(self, start: int) -> bool:
        """Whether ``and`` or ``or`` ends a value before this character."""
        is_word = self._at > start and self._text[self._at - 1].isspace()
        return is_word and _KEYWORD.match(self._text, self._at) is not None

    def _is_quoted_value(self) -> bool:
        """Whether a quote begins a quoted value, and is not only a character of a value."""
        found = _QUOTED.match(self._text, self._at)
        if found is None:
            return False
        rest = found.end()
        return (
            rest == len(self._text)
            or self._text[rest] in ",)]}"
            or _KEYWORD.match(self._text, rest) is not None
        )

    def _quoted(self, quote: str) -> str:
        """What is in quotes; in backticks, two of them are one, in others a backslash escapes."""
        start = self._at
        self._at += 1
        found = []
        while self._at < len(self._text):
            sign = self._text[self._at]
            following = self._text[self._at + 1 : self._at + 2]
            if quote != "`" and sign == "\\" and following in {quote, "\\"}:
                found.append(following)
                self._at += 2
            elif quote == "`" and sign == following == "`":
                found.append("`")
                self._at += 2
            elif sign == quote:
                self._at += 1
                return "".join(found)
            else:
                found.append(sign)
                self._at += 1
        raise self._error("this quote is not closed", start)
