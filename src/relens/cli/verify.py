"""`relens verify`."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from relens.cli.options import AsJson


def verify(
    bundle: Annotated[Path, typer.Argument(help="A NAME.relens bundle.")],
    engine: Annotated[str | None, typer.Option(help="Another engine than the bundle asks for.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a bundle's hashes, then run its golden frames and goals on this machine."""
    from relens.bundle import open_bundle
    from relens.cli.screen import say, say_json
    from relens.device import accept

    with tempfile.TemporaryDirectory(prefix="relens-") as folder:
        opened = open_bundle(bundle, Path(folder))
        acceptance = accept(opened, engine=engine)
    if as_json:
        say_json({"bundle": str(bundle), "sha256": opened.sha256, **acceptance.to_json()})
    else:
        say(f"{bundle}: {len(opened.manifest.files)} files have their hashes; sha256 {opened.sha256}")
        say(repr(acceptance))
    if not acceptance.accepted:
        raise typer.Exit(3)
