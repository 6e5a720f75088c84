"""Codes, classes, hints and docs/errors.md say the same."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer

from relens import errors
from relens.cli import app
from relens.errors import CODES, BadData, GoalMissed, RelensError

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src/relens"
PAGE = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
CODE = re.compile(r"RL-[A-Z]+-\d{3}")
CLASSES = {kind.__name__: kind for kind in RelensError.__subclasses__()}

# `graph.rules.Finding` carries code, message and hint to the importer, which raises the fatal ones.
CARRIERS = {"Finding": "BadModel"}


@dataclass(frozen=True)
class Raise:
    """One place where an error is made."""

    code: str
    kind: str
    where: str
    call: ast.Call

    @property
    def hint(self) -> ast.expr | None:
        """The keyword `hint`, or a carrier's third argument."""
        named = [keyword.value for keyword in self.call.keywords if keyword.arg == "hint"]
        return next(iter(named or self.call.args[2:3]), None)


def modules() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if path != SOURCE / "errors.py":
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))


def raises() -> Iterator[Raise]:
    for name, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first, kind = node.args[0], node.func.id
                if kind in {*CLASSES, *CARRIERS} and isinstance(first, ast.Constant):
                    yield Raise(str(first.value), CARRIERS.get(kind, kind), f"{name}:{first.lineno}", node)


RAISES = list(raises())


def test_the_page_explains_every_code_in_the_order_of_the_list() -> None:
    assert list(CODES) == re.findall(r"^### (RL-[A-Z]+-\d{3}): ", PAGE, re.MULTILINE)


def test_the_page_gives_every_code_its_title() -> None:
    assert dict(re.findall(r"^### (RL-[A-Z]+-\d{3}): (.+)$", PAGE, re.MULTILINE)) == CODES


@pytest.mark.parametrize("code", CODES)
def test_the_page_says_what_it_means_why_and_what_to_do(code: str) -> None:
    section = re.split(r"^##", PAGE.partition(f"### {code}: ")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.partition(" (")[0].partition(":")[0] for line in section.splitlines() if line.startswith("- ")]
    assert lines == ["- Means", "- Usual cause", "- Do"], section


def test_every_code_is_raised_somewhere() -> None:
    assert set(CODES) - {item.code for item in RAISES} == set()


def test_every_code_that_is_raised_is_in_the_list() -> None:
    assert [item.where for item in RAISES if item.code not in CODES] == []


def test_codes_stand_nowhere_but_where_an_error_is_made() -> None:
    """Otherwise the tests here would miss some."""
    made = {item.where for item in RAISES}
    found = {
        f"{name}:{node.lineno}"
        for name, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and CODE.fullmatch(str(node.value))
    }
    assert found - made == set()


def test_a_code_always_comes_with_the_same_class() -> None:
    kinds: dict[str, dict[str, str]] = defaultdict(dict)
    for item in RAISES:
        kinds[item.code][item.kind] = item.where
    assert {code: found for code, found in kinds.items() if len(found) > 1} == {}


def test_the_page_names_the_classes_of_every_family() -> None:
    rows = re.findall(r"^\| \[(RL-[A-Z]+)\]\(#(rl-[a-z]+)\) \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert all(family.lower() == anchor for family, anchor, _ in rows)
    told = {family: set(re.findall(r"`(\w+)`", kinds)) for family, _, kinds in rows}
    found: dict[str, set[str]] = defaultdict(set)
    for item in RAISES:
        found[item.code.rpartition("-")[0]].add(item.kind)
    assert found == told
    assert list(dict.fromkeys(code.rpartition("-")[0] for code in CODES)) == list(told)


def test_a_code_with_another_class_than_its_family_says_so_on_the_page() -> None:
    for item in RAISES:
        family = re.search(rf"\[{item.code.rpartition('-')[0]}\]\([^)]+\) \| ([^|]+) \|", PAGE)
        assert family is not None
        if "," in family[1]:
            assert f"- Means (`{item.kind}`)" in PAGE.partition(f"### {item.code}: ")[2][:200], item.where


def test_every_error_is_made_with_a_hint_of_one_line() -> None:
    for item in RAISES:
        assert item.hint is not None, f"{item.where} has no hint"
        text = "".join(str(n.value) for n in ast.walk(item.hint) if isinstance(n, ast.Constant))
        words = text or ast.unparse(item.hint)
        assert words.strip(), f"{item.where} has an empty hint"
        assert "\n" not in text, f"{item.where} has a hint of several lines"


@pytest.mark.parametrize("code", CODES)
def test_the_text_of_every_error_ends_with_its_hint(code: str) -> None:
    for kind in CLASSES.values():
        if kind is not GoalMissed:
            error = kind(code, "two\nlines", hint="relens doctor")
            assert str(error).splitlines() == [f"{code}: two", "lines", "hint: relens doctor"]
            assert (error.code, error.message, error.hint, error.details) == (code, "two\nlines", "relens doctor", {})


def test_a_missed_goal_has_its_verdict_for_people_and_machines() -> None:
    class Verdict:
        def to_json(self) -> dict[str, object]:
            return {"chosen": None}

    verdict = Verdict()
    error = GoalMissed("RL-GOAL-001", "none", hint="relens build", verdict=verdict)
    assert str(error).splitlines()[-1] == "hint: relens build"
    assert (verdict, {"chosen": None}) == (error.verdict, error.details)


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    with pytest.raises(KeyError, match="RL-NOTHING-001"):
        RelensError("RL-NOTHING-001", "message", hint="hint")


def test_the_tree_at_the_top_of_the_module_shows_every_class() -> None:
    drawn = re.findall(r"[├└]── (\w+)", errors.__doc__ or "")
    assert sorted(drawn) == sorted(CLASSES)


def test_every_command_and_option_on_the_page_exists() -> None:
    commands = _commands(typer.main.get_command(app))
    known = {option for command in commands.values() for item in command.params for option in item.opts}
    for text in re.findall(r"`([^`]+)`", PAGE.replace("\n", " ")):
        words = text.split()
        if words[0] == "relens" and len(words) > 1 and words[1] != "--version":
            named = next((commands[name] for name in (" ".join(words[1:3]), words[1]) if name in commands), None)
            assert named, text
            mine = {option for item in named.params for option in item.opts}
            assert {word for word in words if word.startswith("-")} <= mine, text
        elif words[0].startswith("--") and words[0] not in ("--json", "--upgrade"):
            assert words[0] in known, text


def _commands(group: Any) -> dict[str, Any]:
    """Every command by its words: those of a group have two."""
    inner = {
        f"{name} {word}": command
        for name, one in group.commands.items()
        for word, command in getattr(one, "commands", {}).items()
    }
    return {**group.commands, **inner}


def test_an_error_survives_the_way_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(BadData("RL-DATA-001", "no pictures", hint="add some", details={"n": 0})))
    assert (type(error), error.code, error.hint, error.details) == (BadData, "RL-DATA-001", "add some", {"n": 0})
    assert str(error) == "RL-DATA-001: no pictures\nhint: add some"
