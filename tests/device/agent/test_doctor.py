"""What `relens device doctor` makes of a camera that has a bundle."""

from pathlib import Path

from relens.device.agent import Store, install
from relens.device.doctor.agent import active_bundle, check_agent


def test_a_bundle_tells_what_it_needs(write, tmp_path: Path) -> None:
    store, file = Store(tmp_path / "state"), write("yard")
    bundle = install(store, file)

    found = active_bundle(tmp_path / "state")

    assert found is not None and (found.id, found.name, found.engine) == (bundle, "yard", "litert")
    assert found.size_bytes == file.stat().st_size
    assert found.memory_mb is not None and 20 < found.memory_mb < 1000
    bundles, agent = check_agent(tmp_path / "state", True)
    assert bundles.ok is True and f"{bundle} yard: on trial, 0 start(s)" in bundles.text, bundles
    assert agent.text.endswith(" active"), agent
    for _ in range(3):
        store.start()
    assert next(iter(check_agent(tmp_path / "state", True))).ok is None, "it is worn out"
