"""Names that old functions use and that are gone: modules and attributes of Python, NumPy and OpenCV.

Only what is missing is added, and what works today is not changed.
"""

__all__ = ["old_names"]


def old_names() -> None:
    """Makes the old names available in this process; calling it again changes nothing."""
    # Here, not above: who only reads a source has no need of OpenCV.
    from relens.legacy.source.old import arrays, library, modules, opencv

    modules.install()
    library.patch()
    arrays.patch()
    opencv.patch()
