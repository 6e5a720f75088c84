"""Modules that lie beside a function."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from relens.errors import LegacyTrouble
from relens.legacy.source import install_finder, language


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty function's folder, and an interpreter that forgets it afterwards."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def test_a_module_beside_the_function_is_adapted(folder: Path) -> None:
    (folder / "old_display.py").write_text(
        "class A:\n    def f(self):\n        print 'x',\n        return 7 / 2, `1`\n"
    )
    install_finder(folder)
    module = importlib.import_module("old_display")
    assert module.A().f() == (3, "1")
    assert module.__file__ == str(folder / "old_display.py")
    assert not list(folder.rglob("*.pyc")), "nothing is written into the function's folder"


def test_a_package_imports_its_own_modules_by_their_bare_names(folder: Path) -> None:
    package = folder / "old_package"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("from first import x\nimport second, os\nimport deep\nprint ''\n")
    (package / "first.py").write_text("import second as s\nx = s.y / 2\nprint ''\n")
    (package / "second.py").write_text("y = 7\n")
    (package / "deep/__init__.py").write_text("from os import path\n")
    install_finder(folder)
    module = importlib.import_module("old_package")
    assert (module.x, module.second.y, module.deep.path.__name__) == (3, 7, "posixpath")


def test_a_language_that_is_known_holds_for_every_module(folder: Path) -> None:
    (folder / "old_half.py").write_text("x = 7 / 2\n")
    install_finder(folder, python=2)
    assert importlib.import_module("old_half").x == 3


def test_pythons_own_library_is_not_replaced(folder: Path) -> None:
    for name in ("enum", "concurrent"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise RuntimeError\n")
    install_finder(folder)
    assert "enum" in (importlib.util.find_spec("enum").origin or "")  # type: ignore[union-attr]
    assert str(folder) not in str(importlib.util.find_spec("concurrent").origin)  # type: ignore[union-attr]


def test_a_package_with_machine_code_for_another_python_is_passed_over(folder: Path) -> None:
    (folder / "numpy/core").mkdir(parents=True)
    (folder / "numpy/__init__.py").write_text("raise RuntimeError\n")
    (folder / "numpy/core/multiarray.so").touch()
    install_finder(folder)
    assert sys.meta_path[0].find_spec("numpy", None) is None  # type: ignore[call-arg]


def test_a_module_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "old_broken.py").write_text("x = 1\ndef f(:\n")
    install_finder(folder)
    with pytest.raises(LegacyTrouble, match=r"old_broken\.py, line 2"):
        importlib.import_module("old_broken")


def test_the_same_folder_twice_is_one_finder(folder: Path) -> None:
    install_finder(folder)
    count = len(sys.meta_path)
    install_finder(folder)
    assert len(sys.meta_path) == count


def test_a_function_is_python_2_as_soon_as_one_of_its_modules_is(folder: Path) -> None:
    main = folder / "lambda_function.py"
    main.write_text("import first, json\nx = 7 / 2\n")
    (folder / "first.py").write_text("import second, lambda_function\n")
    (folder / "second.py").write_text("x = 1\n")
    (folder / "stray.py").write_text("print 'not imported'\n")
    assert language(main) == 3
    (folder / "second.py").write_text("print 1\n")
    assert language(main) == 2
