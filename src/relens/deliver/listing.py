"""Cameras as people read them."""

from collections.abc import Mapping, Sequence

from relens.device.agent.status import CameraStatus

TITLES = ("camera", "state", "bundle", "name", "since (UTC)", "frames/s", "engine", "channel", "last trouble")
WIDEST = 48


def table(statuses: Mapping[str, CameraStatus]) -> str:
    """A line a camera, under titles; columns that say nothing are left out."""
    rows = [_row(one) for _, one in sorted(statuses.items())]
    if not rows:
        return "no camera is known"
    used = [column for column in range(len(TITLES)) if any(row[column] for row in rows)]
    lines: list[Sequence[str]] = [TITLES, *rows]
    widths = {column: max(len(line[column]) for line in lines) for column in used}
    return "\n".join("  ".join(line[column].ljust(widths[column]) for column in used).rstrip() for line in lines)


def _row(one: CameraStatus) -> tuple[str, ...]:
    rate = "" if one.frames_per_s is None else f"{one.frames_per_s:.1f}"
    since = (one.since or "")[:16].replace("T", " ")
    engine, trouble = one.engine.partition(",")[0], one.trouble or ""
    shown = (one.camera, one.stage, one.bundle or "", one.name, since, rate, engine, one.channel or "", trouble)
    return tuple(
        _plain(text if len(text) <= WIDEST or text is trouble else f"{text[: WIDEST - 3]}...") for text in shown
    )


def _plain(text: str) -> str:
    """What a camera says is shown, not obeyed by the terminal."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)
