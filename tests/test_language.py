"""Names and docstrings that need no key: both are counted over the tree, and bounded.

A name that is a bare participle or preposition (`told`, `held`, `of`, `at`, `one`) says nothing of
what it holds. A docstring whose first line begins with such a word, or with "The same" or "What",
has no subject and reads as a riddle.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("api", "sweep", "trainer")
MOST_BARE_NAMES = 0.01
MOST_OPENERS_WITHOUT_SUBJECT = 0.03

_BARE_WORDS = """
    about again also among and another any around as asked at away back been began begun behind
    being below beside between both built came chosen come compared counted drawn either else
    ended few first_seen followed for found from gave given gone had has have heard held here
    how in inside into is it its kept known last_seen later least left less made many meant
    more named needed neither none nor of off one ones only other others over passed past put
    reached said same saw says seen several shown since so some stood such taken that their
    them then there these they this those through till together told too took towards tried
    under until up upon wanted was were what when where whether which while who whole whose why
    with within without written
"""
BARE_WORDS = frozenset(_BARE_WORDS.split())
RIDDLES = (
    "the same", "those", "these", "what ", "that ", "this ", "whether", "how ", "where ", "when ",
    "which ", "why ", "of ", "by ", "at ", "as ", "in ", "on ", "for ", "from ", "with ",
    "without ", "over ", "under ", "beside", "between", "among", "if ", "so ", "to ", "it ",
    "its ", "their ", "else", "also", "more ", "less ", "one that", "ones", "none", "another",
    "other",
)  # fmt: skip


def sources(package: str) -> Iterator[Path]:
    yield from sorted((ROOT / package).rglob("*.py"))


def bound_names(tree: ast.AST) -> Iterator[str]:
    """Parameters, assigned names, fields and functions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def is_bare(name: str) -> bool:
    word = name.strip("_").lower()
    return word in BARE_WORDS


def public_docstrings(tree: ast.Module) -> Iterator[str]:
    """First lines of the docstrings of the module and of what it defines without an underscore."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            hidden = getattr(node, "name", "public").startswith("_")
            text = ast.get_docstring(node)
            if text and not hidden:
                yield text.splitlines()[0]


def is_riddle(line: str) -> bool:
    return line.lower().startswith(RIDDLES)


def share(values: list[str], bad: list[str]) -> float:
    return len(bad) / max(1, len(values))


@pytest.mark.parametrize("package", PACKAGES)
def test_names_say_what_they_hold(package: str) -> None:
    names, bad = [], []
    for path in sources(package):
        for name in bound_names(ast.parse(path.read_text())):
            names.append(name)
            if is_bare(name):
                bad.append(f"{path.relative_to(ROOT)}: {name}")
    assert names
    assert share(names, bad) <= MOST_BARE_NAMES, "\n".join(sorted(set(bad)))


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_begin_with_a_subject_or_a_verb(package: str) -> None:
    lines, bad = [], []
    for path in sources(package):
        for line in public_docstrings(ast.parse(path.read_text())):
            lines.append(line)
            if is_riddle(line):
                bad.append(f"{path.relative_to(ROOT)}: {line}")
    assert lines
    assert share(lines, bad) <= MOST_OPENERS_WITHOUT_SUBJECT, "\n".join(bad)


@pytest.mark.parametrize(
    ("name", "bare"), [("told", True), ("_of", True), ("trials", False), ("held_out", False)]
)
def test_a_bare_name_is_known(name: str, bare: bool) -> None:
    assert is_bare(name) == bare


@pytest.mark.parametrize(
    ("line", "riddle"),
    [
        ("The same of numbers.", True),
        ("Of the discriminator for the data set.", True),
        ("Memoises a function of rows.", False),
        ("Which trials: filters, pages of a list, groups.", True),
    ],
)
def test_a_riddle_is_known(line: str, riddle: bool) -> None:
    assert is_riddle(line) == riddle
