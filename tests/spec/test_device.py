import os
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
