"""The agent as a service of a real systemd: ready, hardened, watched, killed and started again."""

import json
import shutil
import time
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.system

UNIT = "/etc/systemd/system/relens.service"
# The tests' copy of relens is not installed there; and nobody likes to wait for a minute.
DROP_IN = "[Service]\nEnvironment=PYTHONPATH={code}/src\nWatchdogSec=15\n"


@pytest.fixture(scope="module")
def service(machine, shapes):
    """A camera that shows pictures, with one bundle installed and the service started."""
    import relens

    for name in ("first", "second"):
        relens.package(shapes.graph, machine.place / f"{name}.relens", labels=("circle", "square", "cross"))
    shutil.copytree(shapes.calibration, machine.place / "pictures")
    (machine.place / "camera.toml").write_text(
        f'[camera]\nsource = "{machine.seen}/pictures"\nname = "yard"\n[page]\nport = 0\n'
    )
    machine.run("bash", "-c", f"cd {machine.seen} && chmod -R a+rX .")
    start(machine, "camera.toml")
    return machine


def start(machine, settings: str) -> None:
    unit = machine.relens("device", "service", "--settings", machine.seen / settings)
    (machine.place / "unit").write_text(unit)
    (machine.place / "drop-in").write_text(DROP_IN.format(code=machine.code))
    machine.run("cp", machine.seen / "unit", UNIT)
    machine.run("install", "-D", "--mode=644", machine.seen / "drop-in", f"{UNIT}.d/test.conf")
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "restart", "relens", check=False)
    said = machine.run("journalctl", "--unit", "relens", "--no-pager", "--lines", "30", check=False)
    assert shown(machine, "ActiveState") == "active", said


def shown(machine, key: str) -> str:
    """A property of the unit."""
    return machine.run("systemctl", "show", "relens", "--property", key, "--value").strip()


def status(machine) -> dict:
    return json.loads(machine.relens("device", "status", "--state", "/var/lib/relens", "--json"))


def soon(holds: Callable[[], object], seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.5)


def test_the_unit_is_sound_and_exposes_little(service) -> None:
    assert service.run("systemd-analyze", "verify", UNIT) == ""
    exposed = service.run("systemd-analyze", "security", "--no-pager", "relens").splitlines()[-1]
    assert float(exposed.split(":")[1].split()[0]) <= 1.5, exposed


def test_a_bundle_installed_by_root_is_run_and_confirmed_by_a_service_without_rights(service) -> None:
    service.relens("device", "install", service.seen / "first.relens", "--state", "/var/lib/relens")
    (bundle,) = status(service)["bundles"]

    soon(lambda: shown(service, "StatusText") == f"{bundle['id']}: runs")
    assert shown(service, "ActiveState") == "active"
    user = service.run("stat", "-c", "%U", f"/proc/{shown(service, 'MainPID')}").strip()
    assert user == "relens"
    owners = service.run("bash", "-c", "find /var/lib/private/relens -printf '%u\\n' | sort -u").split()
    assert owners == ["relens"], owners
    soon(lambda: status(service)["bundles"][0]["stage"] == "confirmed", 120)
