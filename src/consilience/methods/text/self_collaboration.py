"""Self-collaboration: analyst, coder and tester write a program whose tests are executed. Dong et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.learn.assembly import Packaged
from consilience.registry import register


@register
@dataclass(frozen=True)
class SelfCollaboration(Packaged):
    """An analyst plans, a coder writes a program, a tester writes tests; they are executed, and failures go back to the coder.

    For programs in Python; other questions end with the coder's answer. A test that two different versions fail alike is
    dropped. `repairs: 3` is the paper's. Deviation: the last version runs against the last tests, at no call.
    """

    packaged: ClassVar = "self-collaboration"
    paper: ClassVar = "Self-collaboration Code Generation via ChatGPT, arXiv 2304.07590"
    cost: ClassVar = "5 + repairs + max(0, repairs - 1)"
