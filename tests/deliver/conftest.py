"""A bundle to publish."""

from pathlib import Path

import pytest

from relens.bundle import Bundle, open_bundle


@pytest.fixture(scope="session")
def bundles(shapes, tmp_path_factory) -> list[Bundle]:
    import relens

    folder = tmp_path_factory.mktemp("bundles")
    found = []
    for name in ("one", "two"):
        model = Path(folder / f"{name}.tflite")
        model.write_bytes(shapes.graph.read_bytes())
        relens.package(model, folder / f"{name}.relens", labels=("circle", "square", "cross"))
        found.append(open_bundle(folder / f"{name}.relens", folder))
    return found
