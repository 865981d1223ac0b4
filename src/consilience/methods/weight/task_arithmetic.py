"""Task arithmetic: add up what each member learned since the base. Ilharco et al. 2022."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.learn.merging import TaskVectorMerge
from consilience.registry import register


@register
@dataclass(frozen=True)
class TaskArithmetic(TaskVectorMerge):
    """The base plus `scale` times the sum of the members' differences from it (their task vectors).

    The scale is chosen on dev when it is not given. Negative weights forget. Tensors that a member lacks count as 0.
    """

    paper: ClassVar = "Editing Models with Task Arithmetic, arXiv 2212.04089"
