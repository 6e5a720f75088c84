"""Which number an old function knows a class by.

A classifier's classes are numbered from 0. A detector of the SSD family counts its background as class 0, so the first
thing is 1. A replacement for one of AWS's sample models has that sample's own numbers, found by the classes' names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

BACKGROUND = frozenset({"background", "__background__", "bg", "???", "none_of_the_above"})


@dataclass(frozen=True)
class Numbering:
    """By name where `numbers` has names, else in order from `first` (None: as the model's kind has it).

    synonyms: other names for the same, such as `airplane` for `aeroplane`.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    first: int | None = None
    synonyms: Mapping[str, str] = field(default_factory=dict)

    def of(self, labels: Sequence[str], classes: int, *, detects: bool) -> list[int | None]:
        """A number for each class; None for one that the function does not know.

        Args:
            labels: the model's, in order; may be empty.
            classes: how many classes it has, at least.
            detects: whether it is a detector.
        """
        count = max(len(labels), classes)
        named = [self._number(labels[index]) if index < len(labels) else None for index in range(count)]
        if any(number is not None for number in named):
            return named
        if len(self.numbers) == 1 and count == 1:
            return list(self.numbers.values())
        if self.numbers and labels:
            return named  # names that the function does not know: better nothing than a person called a sofa
        first = self.first
        if first is None:
            begins_with_background = bool(labels) and labels[0].strip().lower() in BACKGROUND
            first = 1 if detects and not begins_with_background else 0
        return [first + index for index in range(count)]

    def _number(self, label: str) -> int | None:
        name = _plain(label)
        known = {_plain(key): number for key, number in self.numbers.items()}
        alike = {_plain(key): _plain(other) for key, other in self.synonyms.items()}
        return known.get(name, known.get(alike.get(name, name)))


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())
