"""Kits: everything a camera box needs, in one file, checked before it leaves the desk."""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.kit.judge import Judgement, Refusal
    from relens.kit.kit import Kit, Trust, build_kit
    from relens.kit.proof import Proof, into_report, prove

__all__ = ["Judgement", "Kit", "Proof", "Refusal", "Trust", "build_kit", "into_report", "prove"]

__getattr__ = on_first_use(
    __name__,
    {
        "judge": ["Judgement", "Refusal"],
        "kit": ["Kit", "Trust", "build_kit"],
        "proof": ["Proof", "into_report", "prove"],
    },
)
