"""MetaGPT's assembly line: five roles hand documents on, and the program's tests are executed. Hong et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.learn.assembly import Packaged
from consilience.registry import register


@register
@dataclass(frozen=True)
class Metagpt(Packaged):
    """Product manager, architect, project manager, engineer and tester hand documents on; failed tests go to the engineer.

    For programs that need a design. Each sees only what it subscribes to. Deviation: one program, not a file at a time.
    """

    packaged: ClassVar = "metagpt"
    paper: ClassVar = "MetaGPT, arXiv 2308.00352"
    cost: ClassVar = "7 + repairs"

    repairs: int = 3
    """How often a program that fails goes back to the engineer."""
