"""What takes long and never changes is kept in `.relens/` beside the project, under the hash of what it came from."""

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from relens.errors import BadModel
from relens.files import write_whole
from relens.graph import Graph


class Cache:
    """Graphs by key. A damaged entry counts as absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def graph(self, key: Mapping[str, Any], make: Callable[[], tuple[Graph, dict[str, Any]]]) -> tuple[Graph, Any]:
        """The graph made from `key`, and the facts kept with it; `make` is called when it is not there yet."""
        name = hashlib.sha256(json.dumps({**key, "relens": version("relens")}, sort_keys=True).encode()).hexdigest()
        file, facts = self.folder / f"{name[:24]}.tflite", self.folder / f"{name[:24]}.json"
        try:
            kept = json.loads(facts.read_text(encoding="utf-8"))
            graph = Graph.read(file)
            if graph.sha256 == kept["sha256"]:
                return graph, kept["facts"]
        except (OSError, ValueError, KeyError, BadModel):
            pass
        graph, found = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        graph.write(file)
        write_whole(facts, [json.dumps({"sha256": graph.sha256, "facts": found}).encode()])
        return graph, found
