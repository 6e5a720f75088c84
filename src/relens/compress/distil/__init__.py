"""Knowledge distillation into another model: a given student, or one derived from the teacher."""

from relens.compress.distil.deriving import derived
from relens.compress.distil.distillation import DISTIL_SETTINGS, Distilled, distil

__all__ = ["DISTIL_SETTINGS", "Distilled", "derived", "distil"]
