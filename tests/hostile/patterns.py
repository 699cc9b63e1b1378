"""Every regular expression of a package, how it is used, and texts that are hard for it."""

import ast
import importlib
import pkgutil
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

_METHODS = {"search", "match", "fullmatch", "finditer", "findall", "sub", "subn"}
"""How an expression is used; ``split`` is left out, for strings have it as well."""

_ANCHORED = {"match", "fullmatch"}
_parser: Any = importlib.import_module("re._parser")

Pattern = re.Pattern[str] | re.Pattern[bytes]


@dataclass(frozen=True)
class Used:
    """An expression and where it stands; ``anchored``: it is only ever tried at one place of a text."""

    where: str
    pattern: Pattern
    anchored: bool = False

    def run(self, text: str) -> None:
        """Use it as its module does, over the whole of a text."""
        given: Any = text.encode() if isinstance(self.pattern.pattern, bytes) else text
        if self.anchored:
            self.pattern.match(given)
            return
        for _ in self.pattern.finditer(given):
            pass


def modules(*packages: str) -> Iterator[ModuleType]:
    """Import every module of some packages, but for scripts that run when they are imported."""
    for package in packages:
        found = importlib.import_module(package)
        for each in pkgutil.walk_packages(found.__path__, f"{package}."):
            if ".migrations." not in each.name:
                yield importlib.import_module(each.name)


def expressions(module: ModuleType) -> list[Used]:
    """List the expressions that a module holds in its names, tables and objects, and those inside its functions."""
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    uses = _uses(tree)
    # One in a table is used under another name: any way that this module uses such names counts.
    of_tables = set().union(*(methods for name, methods in uses.items() if name not in vars(module)))
    found = {}
    for name, value in vars(module).items():
        for pattern in _inside(value, depth=6):
            methods = uses.get(name) or of_tables
            found[name, pattern.pattern] = Used(
                f"{module.__name__}.{name}", pattern, bool(methods) and methods <= _ANCHORED
            )
    return [*found.values(), *_written(tree, module.__name__)]


def _inside(value: object, depth: int) -> Iterator[Pattern]:
    if isinstance(value, re.Pattern):
        yield value
    elif depth == 0:
        return
    elif isinstance(value, dict):
        for each in (*value.keys(), *value.values()):
            yield from _inside(each, depth - 1)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for each in value:
            yield from _inside(each, depth - 1)
    elif _ours(value) and hasattr(value, "__dict__"):
        yield from _inside(vars(value), depth - 1)


def _ours(value: object) -> bool:
    return not isinstance(value, (type, ModuleType)) and type(value).__module__.partition(".")[0] in (
        "pipelines",
        "connectors",
        "schemas",
    )


def _uses(tree: ast.AST) -> dict[str, set[str]]:
    """Find by which methods each name is used."""
    uses: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _METHODS and isinstance(node.value, ast.Name):
            uses.setdefault(node.value.id, set()).add(node.attr)
    uses.pop("re", None)
    return uses


def _written(tree: ast.AST, module: str) -> Iterator[Used]:
    """Find the expressions that are written out where they are used: ``re.sub("...", ...)``."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        of, first = node.func.value, node.args[0]
        written = first.value if isinstance(first, ast.Constant) else None
        by_re = isinstance(of, ast.Name) and of.id == "re" and node.func.attr in _METHODS
        if by_re and isinstance(written, str | bytes):
            yield Used(f"{module}:{node.lineno}", re.compile(written), node.func.attr in _ANCHORED)


GENERIC = tuple(
    dict.fromkeys(
        (
            *"aZ0я ї\n.,:;!?-_'\"`@#/\\<>()[]{}*•|+=%&~^$\t\u00a0\u200b\u0301\u200d😀",
            *(
                "a ",
                "a.",
                "a. ",
                "a, ",
                "A, ",
                "a\n",
                "a\n\n",
                " \n",
                "\n ",
                ">\n",
                "> a\n",
                "- a\n",
                "1) ",
                "1. a\n",
                "[ ] ",
            ),
            *(
                "@a",
                "@a ",
                "<@A",
                "<@A|",
                "`a",
                "``",
                "```",
                "{code",
                "{code}",
                "www.",
                "http://",
                "a@a.",
                "#a",
                "#a ",
                "a-",
            ),
            *(
                "a: ",
                "(a",
                "[a",
                "((a",
                "re: ",
                "hi ",
                "please ",
                "can you ",
                "by the ",
                "to ",
                "у ",
                "до ",
                "of ",
                "e\u0301",
            ),
            *(
                "=?",
                "=?a?b?",
                "From ",
                ">From ",
                ">",
                "a:",
                "at a.",
                "a$",
                "Error",
                "x" * 31 + " ",
                "5.",
                "5/",
                "20",
                "2024-01-01",
            ),
        )
    )
)
"""Pieces whose repetition is hard for one or the other expression."""


def texts(used: Used, size: int) -> list[str]:
    """Make texts of ``size`` characters that begin as this expression wants it, go on as long, and end otherwise."""
    pieces = list(dict.fromkeys(_repeats(str(_text(used.pattern.pattern)), used.pattern.flags)))
    made = []
    for before, piece in pieces:
        body = before + piece * (size // len(piece) + 1)
        made += [body[:size], body[: size - 1] + "\x01"]
        made.append(((before + piece * 40)[:200] * (size // 20 + 1))[:size])
    return made


def generic(size: int) -> list[str]:
    """Make texts of ``size`` characters that are hard for somebody."""
    made = [(piece * (size // len(piece) + 1))[:size] for piece in GENERIC]
    dice = random.Random(size)
    made += ["".join(dice.choices(GENERIC, k=size))[:size] for _ in range(2)]
    return [*made, "a" * (size // 2) + " " * (size // 2), " " * (size - 1) + "a", "\n" * (size - 1) + "a"]


def _text(written: str | bytes) -> str:
    return written if isinstance(written, str) else written.decode("latin-1")


@cache
def _repeats(written: str, flags: int) -> list[tuple[str, str]]:
    """List each part of an expression that repeats without a small bound: a text that leads to it, and one turn."""
    found: list[tuple[str, str]] = []
    _sample(_parser.parse(written, flags & ~re.DEBUG), "", found.append)
    return found


def _sample(parsed: Any, before: str, note: Callable[[tuple[str, str]], None]) -> str:
    """Write a text that the parts match, more or less, and note what repeats on the way."""
    out = ""
    for code, given in parsed:
        name = str(code)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = given
            turn = _sample(inner, before + out, note)
            if most > 8 and turn:
                for each in _members(inner) or (turn,):
                    note((before + out, each))
            out += turn * max(1, min(least, 4))
        elif name == "SUBPATTERN":
            out += _sample(given[-1], before + out, note)
        elif name == "ATOMIC_GROUP":
            out += _sample(given, before + out, note)
        elif name == "BRANCH":
            first, *_ = [_sample(each, before + out, note) for each in given[1]]
            out += first
        elif name == "ASSERT":
            _sample(given[1], before + out, note)
        else:
            out += _character(name, given)
    return out


def _members(inner: Any) -> tuple[str, ...]:
    """List some characters of a class that repeats as a whole: the plain ones may be cleaned away on the road."""
    if len(inner) != 1 or str(inner[0][0]) != "IN" or str(inner[0][1][0][0]) == "NEGATE":
        return ()
    written = [chr(value) for code, value in inner[0][1] if str(code) == "LITERAL"]
    return (*written[-2:], _of_class(inner[0][1]))


_OF_CATEGORY = {
    "CATEGORY_DIGIT": "1",
    "CATEGORY_SPACE": " ",
    "CATEGORY_WORD": "a",
    "CATEGORY_NOT_DIGIT": "a",
    "CATEGORY_NOT_SPACE": "a",
    "CATEGORY_NOT_WORD": "-",
}


def _character(name: str, given: Any) -> str:
    if name == "LITERAL":
        return chr(given)
    if name == "NOT_LITERAL":
        return "a" if given != ord("a") else "b"
    if name == "ANY":
        return "a"
    if name == "IN":
        return _of_class(given)
    return ""


def _of_class(given: Any) -> str:
    kinds = [(str(code), value) for code, value in given]
    if kinds[0][0] == "NEGATE":
        written = re.compile("|".join(_escaped(code, value) for code, value in kinds[1:]))
        return next(each for each in "a1 -\n.я😀@" if not written.match(each))
    code, value = kinds[0]
    return {"LITERAL": lambda: chr(value), "RANGE": lambda: chr(value[0])}.get(code, lambda: _OF_CATEGORY[str(value)])()


def _escaped(code: str, value: Any) -> str:
    if code == "LITERAL":
        return re.escape(chr(value))
    if code == "RANGE":
        return f"[{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}]"
    short = {"DIGIT": "d", "SPACE": "s", "WORD": "w"}
    name = str(value).removeprefix("CATEGORY_")
    letter = short[name.removeprefix("NOT_")]
    return f"\\{letter.upper() if name.startswith('NOT_') else letter}"
