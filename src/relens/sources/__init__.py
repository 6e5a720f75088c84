"""Where models come from: SavedModel, Keras file, frozen graph or float `.tflite` -> one float graph.

TensorFlow runs in a child process only, with limits; importing this package never imports it.
"""

from relens.sources.detect import detect_kind
from relens.sources.importer import Imported, content_sha256, import_model
from relens.sources.process import Limits

__all__ = ["Imported", "Limits", "content_sha256", "detect_kind", "import_model"]
