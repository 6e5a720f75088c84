"""Whether the agent runs: as a service, or otherwise."""

import fcntl
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from relens.device.agent.store import ACCEPTED, AGENT_LOCK, FILE, Store
from relens.device.doctor.apart import attempt
from relens.device.doctor.finding import Finding, as_root, fine, unknown, wrong

SYSTEMD = Path("/run/systemd/system")
UNIT = "relens.service"
PROPERTIES = ("LoadState", "ActiveState", "SubState", "Result", "NRestarts", "StatusText")


@dataclass(frozen=True)
class Active:
    """The bundle that is to run. engine: its name; memory_mb: at most, when it was accepted. None: not known."""

    id: str
    name: str
    size_bytes: int
    engine: str | None
    memory_mb: float | None


def check_service(running: bool, systemd: Path = SYSTEMD, systemctl: str = "systemctl") -> Finding:
    """What systemd says of the agent.

    Args:
        running: whether an agent runs, as a service or not.
        systemd: there where it runs this machine.
        systemctl: how it is asked.
    """
    if not systemd.is_dir() or shutil.which(systemctl) is None:
        mend = "" if running else "relens device run --settings camera.toml"
        return unknown("service", "no systemd runs this machine", mend)
    outcome = attempt([systemctl, "show", UNIT, f"--property={','.join(PROPERTIES)}"], 10)
    if outcome.trouble:
        return unknown("service", f"systemd does not answer: {outcome.trouble}")
    return judge_service(dict(line.split("=", 1) for line in outcome.said.splitlines() if "=" in line))


def judge_service(told: Mapping[str, str]) -> Finding:
    """A unit by its properties, as `systemctl show` names them."""
    if told.get("LoadState") == "not-found":
        command = f"relens device service > /etc/systemd/system/{UNIT} && systemctl daemon-reload"
        return unknown("service", f"{UNIT} is not installed", command)
    state = f"{UNIT} is {told.get('ActiveState', 'in an unknown state')} ({told.get('SubState', '')})"
    if told.get("LoadState") != "loaded":
        return wrong(
            "service", f"{UNIT}: {told.get('LoadState')}", f"systemd-analyze verify /etc/systemd/system/{UNIT}"
        )
    if told.get("ActiveState") == "inactive":
        return wrong("service", state, as_root(f"systemctl enable --now {UNIT}"))
    if told.get("ActiveState") != "active":
        return wrong("service", f"{state}: {told.get('Result')}", as_root(f"journalctl -u {UNIT} -n 50"))
    restarts = f"; {told['NRestarts']} restart(s)" if "NRestarts" in told else ""  # not before systemd 235
    return fine("service", f"{state}: {told.get('StatusText')}{restarts}")


def check_agent(folder: Path, running: bool) -> Iterator[Finding]:
    """What runs, and what happened last.

    Args:
        folder: a camera's state.
        running: whether an agent runs it.
    """
    store, active = _store(folder), active_bundle(folder)
    if active is not None and store is not None:
        standing = store.standing()
        state = "on trial" if standing.on_trial else "confirmed"
        text = f"{active.id} {active.name}: {state}, {standing.starts} start(s) without health"
        yield (fine if running and not standing.worn_out else unknown)("bundle", text)
    else:
        command = f"relens device install NAME.relens --state {shlex.quote(str(folder))}"
        yield unknown("bundle", f"none in {folder}", command)
    last = list(store.journal)[-1:] if store is not None else []
    said = "; last in the journal: {at} {event}".format_map({"at": "", "event": "", **last[0]}) if last else ""
    yield fine("agent", f"runs{said}") if running else unknown("agent", f"none runs {folder}{said}")


def has_agent(folder: Path) -> bool:
    """Whether an agent runs a camera; asks without making a file, as `Store.has_agent` would."""
    try:
        descriptor = os.open(folder / AGENT_LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def active_bundle(folder: Path) -> Active | None:
    """What is to run, from a camera's state; None where there is nothing, or nobody may look."""
    store = _store(folder)
    bundle = store.standing().active if store is not None else None
    if store is None or bundle is None:
        return None
    size, facts = 0, store.facts(bundle, ACCEPTED) or {}
    with suppress(OSError):
        size = (store.bundles / bundle / FILE).stat().st_size
    engine = str(facts.get("engine", "")).split(" ")[0] or None
    return Active(bundle, str(facts.get("name", "")), size, engine, facts.get("peak_memory_mb"))


def _store(folder: Path) -> Store | None:
    """A store that is there already: to look does not make one."""
    parts = (folder / name for name in ("bundles", "bad", "inbox"))
    return Store(folder) if all(os.path.isdir(part) for part in parts) else None  # noqa: PTH112 - no errors
