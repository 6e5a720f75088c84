"""What is to be noticed: `[[events]]` in `relens.toml`, which go into the bundle, or in `camera.toml` instead."""

from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from relens.spec.strict import Strict

Fraction = Annotated[float, Field(ge=0, le=1)]
PLAIN = r"^[^/+#\x00-\x1f\x7f]+$"  # may become part of an MQTT topic


class EventRule(Strict):
    """`[[events]]`: what is to be noticed. A rule is either going on or not; both ends are events.

    name: of the event. labels: any of these classes; empty: every class. min_score: of a detection or class.
    zone: corners of a polygon, x and y as fractions 0..1 of the frame; a detection is where the middle of its box's
        lower edge is. Empty: the whole frame.
    at_least: so many at the same time. dwell_s: an object counts once it has been there for so long.
    clear_s: the event ends when there have been too few for so long.
    """

    name: str = Field(min_length=1, max_length=80, pattern=PLAIN)
    labels: tuple[str, ...] = ()
    min_score: Fraction = 0.5
    zone: tuple[tuple[Fraction, Fraction], ...] = ()
    at_least: int = Field(default=1, ge=1)
    dwell_s: float = Field(default=1.0, ge=0)
    clear_s: float = Field(default=2.0, ge=0)

    @field_validator("zone")
    @classmethod
    def _is_polygon(cls, zone: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
        if 0 < len(zone) < 3:
            raise ValueError("a zone has three corners at least, [[x, y], [x, y], [x, y]]")
        return zone


def _named_apart(rules: tuple[EventRule, ...]) -> tuple[EventRule, ...]:
    names = [rule.name for rule in rules]
    if len(set(names)) < len(names):
        raise ValueError("two events have the same name")
    return rules


EventRules = Annotated[tuple[EventRule, ...], Field(max_length=100), AfterValidator(_named_apart)]
