"""What is pinned for a device, and which wheels its system takes."""

import pytest

from relens.errors import BadConfig
from relens.kit.wheels import Target, pinned
from relens.spec import device


def names(found: tuple[str, ...]) -> dict[str, str]:
    return dict(line.split(" --hash")[0].split("==") for line in found)


def test_a_deeplens_gets_the_last_packages_for_an_old_glibc() -> None:
    found = names(pinned(Target.of(device("deeplens"), "3.11")))
    assert found["ai-edge-litert"] == "1.4.0" and found["numpy"] == "2.2.6" and "pip" in found
    assert not {"colorama", "tomli", "openvino", "tensorflow-cpu", "keras", "av-17"} & set(found)


def test_markers_are_asked_of_the_device_and_not_of_this_python() -> None:
    old, new = (names(pinned(Target.of(device("ubuntu-22.04-x86"), python))) for python in ("3.10", "3.12"))
    assert "tomli" in old and "tomli" not in new
    assert old["numpy"] == "2.2.6" and new["numpy"] != "2.2.6"


def test_every_line_has_its_hashes() -> None:
    for python in ("3.10", "3.11", "3.12"):
        assert all(" --hash=sha256:" in line for line in pinned(Target.of(device("deeplens"), python)))


def test_openvino_comes_when_it_is_asked_for() -> None:
    target = Target.of(device("deeplens"), "3.11")
    assert names(pinned(target, openvino=True))["openvino"].startswith("2025.")


def test_tags_end_at_the_systems_glibc() -> None:
    platforms = Target.of(device("deeplens"), "3.11").platforms
    assert platforms[0] == "manylinux_2_23_x86_64" and "manylinux2014_x86_64" in platforms
    assert not any("2_24" in one or "2_27" in one for one in platforms)


def test_a_profile_without_glibc_is_refused() -> None:
    silent = device("deeplens").model_copy(
        update={"system": device("deeplens").system.model_copy(update={"libc": None})}
    )
    with pytest.raises(BadConfig, match=r"RL-KIT-001.*which glibc"):
        Target.of(silent, "3.11")
