"""`relens deploy | status | rollback`: one box or a fleet, however a bundle gets there."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relens.cli.deliver import PassphraseFile, passphrase
from relens.cli.options import AsJson, installed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from relens.deliver import Target
    from relens.device.agent import CameraStatus

To = Annotated[str, typer.Argument(metavar="TARGET", help="ssh://[USER@]HOST[:PORT], or a fleet.toml.")]


def deploy(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    target: To,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan, and do nothing.")] = False,
    again: Annotated[bool, typer.Option(help="Also to cameras where it failed before.")] = False,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Let cameras run a bundle: step by step, until each has confirmed it; stopped when too many fail."""
    import tempfile

    from relens.bundle import open_bundle
    from relens.cli.screen import note, say, say_json

    with installed():
        from relens.deliver import Plan, check

    def agreed(plan: Plan) -> bool:
        if dry_run and as_json:
            say_json(plan.to_json())
        elif dry_run:
            say(str(plan))
        else:
            note(str(plan))
        return not dry_run

    with tempfile.TemporaryDirectory(prefix="relens-") as folder, _open(target, passphrase_file) as fleet:
        opened = open_bundle(bundle, Path(folder))
        verdict = fleet.deploy(opened, again=again, agreed=agreed)
        if verdict is None:
            return
        _show(verdict.statuses, as_json=as_json)
        check(verdict, f"{opened.manifest.name} {opened.sha256[:12]}", target)


def status(target: To, as_json: AsJson = False) -> None:
    """Every camera: its bundle, state, since when, frame rate, engine and last trouble."""
    with _open(target, None) as fleet:
        found = fleet.status()
        _show(found, as_json=as_json)
    if any(one.stage == "away" for one in found.values()):
        raise typer.Exit(1)


def rollback(
    target: To,
    bundle: Annotated[
        str | None, typer.Option(help="Only where this one runs: the first 12 digits of its SHA-256.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    as_json: AsJson = False,
) -> None:
    """Let cameras go back to the bundle that they confirmed before; what ran until now is not taken again."""
    from relens.errors import DeliveryTrouble

    with _open(target, passphrase_file) as fleet:
        failed = fleet.roll_back(bundle)
        _show(fleet.status(), as_json=as_json)
    if failed:
        name, why = next(iter(failed.items()))
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise DeliveryTrouble("RL-DELIVER-010", f"{name}: {why}{more}", hint=f"relens status {target}")


def _open(target: str, passphrase_file: Path | None) -> "Target":
    from relens.cli.screen import note

    with installed("deliver,aws"):
        from relens.deliver import Target

        return Target(target, lambda: passphrase(passphrase_file), note)


def _show(statuses: "Mapping[str, CameraStatus]", *, as_json: bool) -> None:
    from relens.cli.screen import say, say_json
    from relens.deliver import table

    if as_json:
        say_json([one.to_json() for _, one in sorted(statuses.items())])
    else:
        say(table(statuses))
