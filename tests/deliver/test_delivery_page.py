"""docs/delivery.md shows fleets that relens reads, and commands that it knows."""

import re
from pathlib import Path

import pytest
import typer

from relens.cli import app
from relens.spec.fleet import load_fleet

PAGE = (Path(__file__).parents[2] / "docs/delivery.md").read_text(encoding="utf-8")
FLEETS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("shown", FLEETS)
def test_a_fleet_on_the_page_can_be_read(shown, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in (
        "keys/carrier",
        "keys/known_hosts",
        "repository",
        ".config/relens/keys",
        "ca.pem",
        "desk.pem",
        "desk.key",
    ):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "fleet.toml").write_text(shown)
    fleet = load_fleet(tmp_path / "fleet.toml")
    assert bool(fleet.cameras) != bool(fleet.repository and fleet.reports)


def test_its_commands_exist() -> None:
    groups = typer.main.get_command(app).commands
    found = re.findall(r"^relens ([a-z]+)(?: ([a-z]+))?", PAGE, re.MULTILINE)
    assert len(FLEETS) == 2 and len(found) >= 7
    for name, more in found:
        assert name in groups, name
        assert name != "device" or more in groups["device"].commands, more
