"""The agent as a service of a real systemd: ready, hardened, watched, killed and started again."""

import json
import shutil

import pytest

pytestmark = pytest.mark.system

UNIT = "/etc/systemd/system/relens.service"


@pytest.fixture(scope="module")
def service(machine, shapes):
    """A camera that shows pictures, with one bundle installed and the service started."""
    import relens

    for name in ("first", "second"):
        model = shutil.copy(shapes.graph, machine.place / f"{name}.tflite")
        relens.package(model, machine.place / f"{name}.relens", labels=("circle", "square", "cross"))
    shutil.copytree(shapes.calibration, machine.place / "pictures")
    (machine.place / "camera.toml").write_text(
        f'[camera]\nsource = "{machine.seen}/pictures"\nname = "yard"\n[page]\nport = 0\n[agent]\nconfirm_after_s = 5\n'
    )
    machine.run("bash", "-c", f"cd {machine.seen} && chmod -R a+rX .")
    machine.forget()
    machine.start_service("camera.toml")
    return machine


def test_the_unit_is_sound_and_exposes_little(service) -> None:
    assert service.run("systemd-analyze", "verify", UNIT) == ""
    exposed = service.run("systemd-analyze", "security", "--no-pager", "relens").splitlines()[-1]
    assert float(exposed.split(":")[1].split()[0]) <= 1.5, exposed


def test_a_bundle_installed_by_root_is_run_and_confirmed_by_a_service_without_rights(service, soon) -> None:
    service.relens("device", "install", service.seen / "first.relens", "--state", "/var/lib/relens")
    (bundle,) = service.status()["bundles"]

    soon(lambda: service.shown("StatusText") == f"{bundle['id']}: runs")
    assert service.shown("ActiveState") == "active"
    user = service.run("stat", "-c", "%U", f"/proc/{service.shown('MainPID')}").strip()
    assert user == "relens"
    owners = service.run("bash", "-c", "find /var/lib/private/relens -printf '%u\\n' | sort -u").split()
    assert owners == ["relens"], owners
    soon(lambda: service.status()["bundles"][0]["stage"] == "confirmed")


def test_the_doctor_sees_the_service_its_bundle_and_its_camera(service, soon) -> None:
    soon(lambda: service.status()["bundles"][0]["stage"] == "confirmed")
    paths = ("--settings", service.seen / "camera.toml", "--state", "/var/lib/relens")
    told = json.loads(service.relens("device", "doctor", *paths, "--json", check=False))
    found = {one["name"]: one for one in told["findings"]}
    wrong = [found[name] for name in ("service", "agent", "bundle", "frame", "store", "disk") if not found[name]["ok"]]
    assert wrong == []
    assert ": runs; 0 restart(s)" in found["service"]["text"], found["service"]

    service.run("systemctl", "stop", "relens")
    told = service.relens("device", "doctor", *paths, check=False)
    service.run("systemctl", "start", "relens")

    assert "not ok  service    relens.service is inactive (dead)\n        systemctl enable --now relens.service" in told


def test_the_next_one_is_brought_while_it_runs_and_one_goes_back_by_hand(service, soon) -> None:
    (before,) = service.status()["bundles"]
    service.relens("device", "install", service.seen / "second.relens", "--state", "/var/lib/relens")
    soon(lambda: service.status()["active"] != before["id"] and not service.status()["starts"])

    service.relens("device", "rollback", "--state", "/var/lib/relens")

    soon(lambda: service.shown("StatusText") == f"{before['id']}: runs")
    assert service.status()["active"] == before["id"]


def test_an_agent_that_hangs_is_started_again(service, soon) -> None:
    hanging = service.shown("MainPID")
    service.run("kill", "-STOP", hanging)

    soon(lambda: service.shown("MainPID") not in ("0", hanging))

    soon(lambda: service.shown("StatusText").endswith(": runs"))
    assert "Watchdog timeout" in service.run("journalctl", "--unit", "relens", "--no-pager")


def test_a_bundle_that_takes_too_much_memory_dies_alone(service, soon) -> None:
    service.start_service("camera.toml", "MemoryMax=64M")
    agent = service.shown("MainPID")
    soon(lambda: service.run("tail", "-n", "5", "/var/lib/relens/journal.jsonl").count("SIGKILL") >= 2)
    assert (service.shown("MainPID"), service.shown("NRestarts")) == (agent, "0")

    service.start_service("camera.toml")
    soon(lambda: service.shown("StatusText").endswith(": runs"))


def test_a_password_that_only_root_can_read_is_handed_over(service, soon) -> None:
    service.run("bash", "-c", f"umask 077; echo secret > {service.seen}/password")
    (service.place / "rtsp.toml").write_text(
        f'[camera]\nsource = "rtsp://cam@127.0.0.1:9/x"\npassword_file = "{service.seen}/password"\n'
    )
    service.start_service("rtsp.toml")

    soon(lambda: "waits for its camera" in service.shown("StatusText"))

    why = service.shown("StatusText")
    assert "cannot be opened" in why and "no password" not in why, why
