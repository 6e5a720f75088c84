import os
from importlib import resources
from pathlib import Path

import pytest

from relens.errors import BadConfig
from relens.spec import device, profiles


def test_deeplens_is_a_profile_without_avx_whose_int8_saturates() -> None:
    deeplens = device("deeplens")
    assert (deeplens.cores, deeplens.architecture, deeplens.int8_saturates) == (2, "x86_64", True)
    assert not deeplens.is_this_machine


def test_this_machine_is_inspected() -> None:
    machine = device("this-machine")
    assert machine.is_this_machine
    assert machine.cores == len(os.sched_getaffinity(0))
    assert machine.memory_mb > 100


def test_an_unknown_profile_is_refused_with_the_nearest_one() -> None:
    assert "deeplens" in profiles()
    with pytest.raises(BadConfig, match="did you mean `deeplens`"):
        device("deeplense")


def test_a_profile_can_be_a_file_of_ones_own(tmp_path: Path) -> None:
    text = 'title="Box"\nprocessor="x"\narchitecture="aarch64"\ncores=4\nmemory_mb=1000\n'
    (tmp_path / "box.toml").write_text(text + 'instruction_sets=["asimd"]\nengines=["litert"]\n')
    box = device(str(tmp_path / "box.toml"))
    assert (box.name, box.cores, box.int8_saturates) == ("box", 4, False)


def test_a_profile_without_latency_has_nothing_to_estimate_by() -> None:
    assert device("raspberry-pi-4").latency is None and device("this-machine").latency is None


def test_the_coefficients_for_deeplens_say_where_they_are_from_and_how_far_they_go() -> None:
    latency = device("deeplens").latency
    assert latency is not None
    assert (latency.engine, latency.kernels) == ("litert", "sse4.1")
    assert latency.transfer.low < latency.transfer.factor < latency.transfer.high
    assert any("measured" in source for source in latency.sources)
    assert any("assumed" in source for source in latency.sources)


def test_a_factor_outside_its_own_range_is_refused(tmp_path: Path) -> None:
    text = (Path(str(resources.files("relens.spec"))) / "profiles/deeplens.toml").read_text()
    (tmp_path / "odd.toml").write_text(text.replace("low = 3.6", "low = 6.0"))
    with pytest.raises(BadConfig, match="low <= factor <= high"):
        device(str(tmp_path / "odd.toml"))
