import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with what make_models.py writes."""
    folder = tmp_path_factory.mktemp("networks")
    script = Path(__file__).with_name("make_models.py")
    subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def samples() -> list[dict[str, np.ndarray]]:
    """Pictures with large bright and dark areas, as photos have."""
    made = []
    for number in range(12):
        random = np.random.default_rng(number)
        coarse = random.uniform(0, 1, (1, 4, 4, 3)).repeat(6, axis=1).repeat(6, axis=2)
        made.append({"picture": np.clip(coarse + random.normal(0, 0.05, coarse.shape), 0, 1).astype(np.float32)})
    return made
