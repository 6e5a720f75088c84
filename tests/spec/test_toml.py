from pathlib import Path

import pytest

from relens.errors import BadConfig
from relens.spec import load


def write(folder: Path, text: str) -> Path:
    (folder / "m.keras").write_bytes(b"x")
    path = folder / "relens.toml"
    path.write_text(text)
    return path


def test_paths_are_made_absolute_from_the_file_and_defaults_filled_in(tmp_path: Path) -> None:
    project = load(write(tmp_path, '[model]\nsource = "m.keras"'))
    assert project.model.source == tmp_path / "m.keras"
    assert (project.goals.max_accuracy_drop, project.device.profile, project.name) == (0.02, "this-machine", "m")
    assert project.input.scaling.std == (255.0,)


def test_a_folder_stands_for_the_relens_toml_in_it(tmp_path: Path) -> None:
    write(tmp_path, '[model]\nsource = "m.keras"')
    assert load(tmp_path).path == tmp_path / "relens.toml"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('[model]\nsource = "m.keras"\nlables = "x"', "RL-CONFIG-002", ["`model.lables`", "`labels`"]),
        ('[model]\nsource = "m.keras"\n[goal]\n', "RL-CONFIG-002", ["`goal`", "`goals`"]),
        ('[model]\nsource = "m.keras"\n[input]\nresise = "crop"', "RL-CONFIG-002", ["`input.resise`", "`resize`"]),
        ('[model]\nsource = "m.keras"\n[input]\nscaling = "0-1"', "RL-CONFIG-003", ["input.scaling", '"0..1"']),
        ('[model]\nsource = "m.keras"\n[input.scaling]\nmean=[1]\nstd=[0]', "RL-CONFIG-003", ["must not be zero"]),
        ('[model]\nsource = "n.keras"', "RL-CONFIG-003", ["n.keras does not exist"]),
        ('[model]\nsource = "m.keras"\n[goals]\nmax_latency_ms = 0', "RL-CONFIG-003", ["goals.max_latency_ms"]),
        ("[model]\nsource = 3", "RL-CONFIG-003", ["model.source"]),
        ("[input]", "RL-CONFIG-003", ["`model`"]),
        ("[model", "RL-CONFIG-001", ["relens.toml"]),
        ("model = 3", "RL-CONFIG-003", ["`model`"]),
        ('path = "x"\n[model]\nsource = "m.keras"', "RL-CONFIG-002", ["`path`"]),
    ],
)
def test_a_slip_names_file_and_key_and_says_what_to_do(tmp_path: Path, text: str, code: str, words: list[str]) -> None:
    with pytest.raises(BadConfig) as trouble:
        load(write(tmp_path, text))
    assert trouble.value.code == code
    for word in ["relens.toml", *words]:
        assert word in str(trouble.value), f"{word!r} is not in {trouble.value}"


def test_a_missing_file_points_to_init(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="relens init"):
        load(tmp_path / "relens.toml")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "relens.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadConfig, match="RL-CONFIG-001"):
        load(tmp_path)
