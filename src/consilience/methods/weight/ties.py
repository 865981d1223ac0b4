"""TIES: trim each member's changes, elect a sign per parameter, average what agrees. Yadav et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.learn.merging import TaskVectorMerge
from consilience.method import Share
from consilience.registry import register


@register
@dataclass(frozen=True)
class Ties(TaskVectorMerge):
    """Keep the largest changes of each member, elect a sign per parameter, and average the values that agree with it.

    Deviations: trimmed per tensor, not over the whole model (as mergekit does); the scale is chosen on dev when it is
    not given.
    """

    paper: ClassVar = "TIES-Merging, arXiv 2306.01708"
    drop, elect, usual = "magnitude", True, 1.0

    density: Share = 0.2
    """Share of each task vector that is kept."""
