"""docs/camera.md shows every key of `camera.toml`, as it is read."""

import re
from pathlib import Path
from typing import Any

from relens.spec import CameraSettings, camera_settings

PAGE = (Path(__file__).parents[2] / "docs/camera.md").read_text(encoding="utf-8")


def test_the_page_shows_every_key_and_what_it_shows_can_be_read(tmp_path: Path) -> None:
    block = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    for name in re.findall(r'"([\w.]+\.(?:password|pem|crt|key|token))"', block):
        (tmp_path / name).touch()
    file = tmp_path / "camera.toml"
    file.write_text(block)

    settings = camera_settings(file)

    left_out = set(keys(settings.model_dump(exclude_unset=False))) - set(keys(settings.model_dump(exclude_unset=True)))
    assert left_out == set(), "keys that the page does not show"
    assert set(CameraSettings.model_fields) == set(settings.model_dump(exclude_unset=True))


def keys(values: Any, path: str = "") -> list[str]:
    """Dotted, through tables and lists."""
    if isinstance(values, dict):
        return [f"{path}{key}" for key in values] + [
            inner for key, value in values.items() for inner in keys(value, f"{path}{key}.")
        ]
    return [inner for value in values for inner in keys(value, path)] if isinstance(values, (list, tuple)) else []
