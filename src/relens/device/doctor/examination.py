"""All checks, one after the other."""

from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

from relens.device.doctor import agent, camera, clock, disk, libc, memory, rights
from relens.device.doctor.engines import check_engines
from relens.device.doctor.finding import Examination, Finding, fine, unknown, wrong
from relens.device.doctor.processor import check_processor
from relens.errors import BadConfig
from relens.spec import this_libc

if TYPE_CHECKING:
    from relens.spec import CameraSettings


def examine(settings: Path | None, state: Path) -> Examination:
    """Look at this machine as a camera box; nothing is changed.

    Args:
        settings: a `camera.toml`, or None where there is none yet.
        state: where the camera keeps, or is to keep, its bundles.
    """
    return Examination(tuple(_findings(settings, state)))


def _findings(file: Path | None, state: Path) -> Iterator[Finding]:
    running, active = agent.has_agent(state), agent.active_bundle(state)
    yield check_processor()
    yield libc.check_libc(this_libc(), libc.wheel_needs())
    yield memory.check_memory(active.memory_mb if active else None, running)
    yield from check_engines(active.engine if active else None)
    yield clock.check_clock(time(), clock.installed_s(), clock.synchronized())
    settings = None
    if file is not None:
        found, settings = read_settings(file)
        yield found
    yield _disk(state, active.size_bytes if active else None, settings)
    yield disk.check_lasting(state)
    yield rights.check_store(state)
    yield from rights.check_token(state)
    yield from rights.check_inbox(state, running)
    if settings is not None:
        from relens.device.agent.service import secrets

        yield from rights.check_secrets(secrets(settings))
        yield from camera.check_camera(settings.camera, running)
    elif file is None:
        yield camera.list_cameras()
    yield agent.check_service(running)
    yield from agent.check_agent(state, running)


def read_settings(file: Path) -> "tuple[Finding, CameraSettings | None]":
    """Whether a `camera.toml` can be used, and what it says."""
    from relens.spec import camera_settings

    try:
        settings = camera_settings(file)
    except BadConfig as trouble:
        return wrong("settings", trouble.message, trouble.hint), None
    return fine("settings", str(file)), settings


def _disk(state: Path, bundle_bytes: int | None, settings: "CameraSettings | None") -> Finding:
    from relens.spec import KeepSettings

    try:
        room = disk.room_at(state)
    except OSError as trouble:
        return unknown("disk", f"{state}: {trouble.strerror}")
    keep, samples = (settings.keep, settings.samples) if settings else (KeepSettings(), None)
    kept_mb = max(0.0, keep.max_mb - disk.size_of(state / "events") / 1e6)
    if samples is not None:
        kept_mb += max(0.0, samples.max_mb - disk.size_of(state / "samples") / 1e6)
    return disk.check_disk(state, room, bundle_bytes, kept_mb)
