"""Which bundle a function means, and how it numbers classes."""

from pathlib import Path

import pytest

from relens.errors import BadConfig, LegacyTrouble
from relens.legacy.models import Models, Size
from relens.legacy.numbering import Numbering
from relens.legacy.samples import Samples, names, stem


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("mine.relens", "deploy_ssd_golf.relens", "action_recognition_v2.0.relens", "both.relens", "both.pb"):
        (tmp_path / name).write_bytes(b"a bundle")
    return tmp_path


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("/opt/awscam/artifacts/mine.xml", "mine.relens"),
        ("mine", "mine.relens"),
        ("mine.pb", "mine.relens"),
        ("/opt/awscam/artifacts/mine", "mine.relens"),
        ("/opt/awscam/artifacts/mine/", "mine.relens"),
        ("/opt/awscam/artifacts/mxnet_mine_FP16_FUSED.xml", "mine.relens"),
        ("/opt/awscam/artifacts/mxnet_mine_FP32_FUSED.xml", "mine.relens"),
        ("/opt/awscam/artifacts/mxnet_deploy_ssd_golf_FP16_FUSED.xml", "deploy_ssd_golf.relens"),
        ("/opt/awscam/artifacts/mxnet_action_recognition_v2.0_FP16_FUSED.xml", "action_recognition_v2.0.relens"),
        ("both", "both.relens"),
    ],
)
def test_a_path_of_a_deeplens_names_a_bundle(folder: Path, asked: str, found: str) -> None:
    assert Models(folder).get(asked).bundle == folder / found


def test_the_name_that_the_optimizer_gave_is_known() -> None:
    assert names("mxnet_deploy_ssd_FP16_FUSED") == ["mxnet_deploy_ssd_FP16_FUSED", "deploy_ssd"]
    assert stem("/opt/awscam/artifacts/image-classification-0000.params") == "image-classification-0000"


def test_aws_samples_are_replaced_and_what_to_put_where_is_said(folder: Path) -> None:
    asked = "/opt/awscam/artifacts/mxnet_deploy_ssd_FP16_FUSED.xml"
    with pytest.raises(LegacyTrouble) as raised:
        Models(folder).get(asked)
    assert raised.value.code == "RL-LEGACY-003"
    assert asked in raised.value.message and "mine.relens" in raised.value.message
    assert "put face-detection.relens, AWS's detector of faces, into" in raised.value.hint
    (folder / "face-detection.relens").write_bytes(b"a bundle")
    found = Models(folder).get(asked)
    assert (found.bundle.name, found.numbers) == ("face-detection.relens", {"face": 1})
    assert found.note == "face-detection.relens stands for mxnet_deploy_ssd_FP16_FUSED, AWS's detector of faces"


def test_a_legacy_toml_names_bundles_and_numbers(folder: Path) -> None:
    (folder / "legacy.toml").write_text(
        '[golf]\nbundle = "mine"\nlabels = { ball = 7 }\n'
        '[deploy_ssd]\nbundle = "mine"\nfirst = 0\n[synonyms]\norb = "ball"\n'
    )
    models = Models(folder)
    golf = models.get("golf")
    assert (golf.bundle.name, golf.numbers, golf.first) == ("mine.relens", {"ball": 7}, None)
    assert (models.get("mxnet_deploy_ssd_FP16_FUSED").first, models.samples.synonyms["orb"]) == (0, "ball")
    (folder / "legacy.toml").write_text('[golf]\nbundel = "mine"\n')
    with pytest.raises(BadConfig, match="did you mean `bundle`"):
        Models(folder)
    (folder / "legacy.toml").write_text('golf = "mine"\n')
    with pytest.raises(BadConfig):
        Models(folder)


def test_a_model_is_built_again_when_it_its_notes_its_labels_or_the_size_change(folder: Path) -> None:
    built: list[tuple[str, Size | None]] = []

    def build(source: Path, output: Path, size: Size | None) -> None:
        built.append((source.name, size))
        output.write_bytes(b"a bundle")

    models = Models(folder, build)
    (folder / "graph.pb").write_bytes(b"1")
    sized = models.get("graph", (192, 192)).bundle
    assert models.get("graph", (192, 192)).bundle == models.get("/opt/awscam/artifacts/graph.xml").bundle == sized
    assert models.get("graph", (224, 192)).bundle != sized
    (folder / "graph.toml").write_text('[input]\nscaling = "0..1"\n')
    models.get("graph")
    (folder / "labels.txt").write_text("a\n")
    models.get("graph")
    (folder / "graph.pb").write_bytes(b"2")
    models.get("graph")
    assert built == [("graph.pb", (192, 192)), ("graph.pb", (224, 192)), *[("graph.pb", (224, 192))] * 3]
    assert sized.parent == folder / ".relens"


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LegacyTrouble, match="no folder of models"):
        Models(tmp_path / "nowhere")


def test_classes_are_numbered_as_the_kind_of_model_has_it() -> None:
    assert Numbering().of(("daisy", "rose"), 2, detects=False) == [0, 1]
    assert Numbering().of(("person", "dog"), 2, detects=True) == [1, 2]
    assert Numbering().of(("background", "dog"), 2, detects=True) == [0, 1]
    assert Numbering().of((), 3, detects=True) == [1, 2, 3]
    assert Numbering(first=5).of(("a", "b"), 2, detects=True) == [5, 6]


def test_a_stand_in_is_numbered_by_names(tmp_path: Path) -> None:
    samples = Samples.read(tmp_path)
    voc = samples.entries["deploy_ssd_resnet50_300"]
    numbering = Numbering(voc.labels, voc.first, samples.synonyms)
    coco = ("person", "traffic light", "airplane", "dining table", "tv", "Potted-Plant", "couch", "motorcycle")
    assert numbering.of(coco, 8, detects=True) == [15, None, 1, 11, 20, 16, 18, 14]
    assert sorted(voc.labels.values()) == list(range(1, 21))
    faces = Numbering(samples.entries["deploy_ssd"].labels)
    assert faces.of((), 1, detects=True) == faces.of(("face",), 1, detects=True) == [1]
    assert faces.of(("visage",), 1, detects=True) == [1]  # the one class there is
