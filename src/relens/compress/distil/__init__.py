"""Knowledge distillation into another model: a given student, or one derived from the teacher."""

from relens.compress.distil.distillation import Distilled, distil

__all__ = ["Distilled", "distil"]
