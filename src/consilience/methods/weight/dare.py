"""DARE: drop most of each member's changes at random, rescale the rest, and merge. Yu et al. 2023."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from consilience.learn.merging import TaskVectorMerge
from consilience.method import Share
from consilience.registry import register


@register
@dataclass(frozen=True)
class Dare(TaskVectorMerge):
    """Drop changes at random, divide what is left by the share kept, and add it to the base (DARE linear)."""

    paper: ClassVar = "DARE (Super Mario), arXiv 2311.03099"
    drop = "random"

    density: Share = 0.1
    """Share of each task vector that is kept."""


@register
@dataclass(frozen=True)
class DareTies(TaskVectorMerge):
    """Drop changes at random, rescale, then elect signs and average what agrees (DARE with TIES)."""

    paper: ClassVar = "DARE (Super Mario), arXiv 2311.03099"
    drop, elect, usual = "random", True, 1.0

    density: Share = 0.1
    """Share of each task vector that is kept."""
