"""Looks at this machine as a camera box: what is as it should be, what is not, and the command that mends it.

Nothing is changed. What might crash or hang (engines, cameras) is tried in processes of their own; so this also works
where NumPy or an engine does not load.
"""

from relens.device.doctor.examination import examine
from relens.device.doctor.finding import Examination, Finding

__all__ = ["Examination", "Finding", "examine"]
