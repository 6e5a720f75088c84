"""An old function's source, of Python 2 or 3, made into code that today's Python runs.

`adapt` compiles one file, `install_finder` does the same for the modules that lie beside it, `old_names` gives back
the modules and attributes that Python, NumPy and OpenCV have dropped since. Code of Python 2 keeps its meaning: `/`
between integers floors, `map` gives a list. `needs` and `language` look at a function before it starts.
"""

from relens.legacy.source.adapter import Adapted, adapt
from relens.legacy.source.finder import install_finder
from relens.legacy.source.language import language
from relens.legacy.source.needs import Needs, needs
from relens.legacy.source.old import old_names

__all__ = ["Adapted", "Needs", "adapt", "install_finder", "language", "needs", "old_names"]
