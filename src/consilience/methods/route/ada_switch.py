"""AdaSwitch: the local model judges each of its own steps, and the cloud model takes over those it calls wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from consilience.gather import Member, Members, put
from consilience.learn.steps import Step, Stepwise, Trace, doubt
from consilience.method import Cast, Dev, Last, Role, Share
from consilience.model import Continue
from consilience.prompt import worded
from consilience.registry import register
from consilience.types import Reply, Request, Wording

THRESHOLDS = (0.1, 0.3, 0.5, 0.7, 0.9, 1.0)
"""Probabilities of a mistake that are tried on dev."""

REWRITES = 2
"""Times that a step is written again."""

JUDGED = Wording("{question}\n\n(The answer may be unfinished: judge its last step alone, which is:\n<<<\n{step}\n>>>)")
REWRITTEN = Wording("{question}\n\n(This next step was judged wrong; write another one:\n<<<\n{step}\n>>>)")


@register
@dataclass(frozen=True)
class AdaSwitch(Stepwise):
    """The local model writes a step and says whether it is right; when it says no, the cloud model writes that step
    (`switch`), or the local one writes it again, at most twice (`reflect`). Then the local model goes on.

    For tasks in steps, where the local model knows its mistakes when it sees them. Whether a step is wrong is a
    probability where the local model gives those of its words, else its word; a verdict that cannot be read lets the
    step pass. A step of the cloud model is not judged. Deviations: prompts instead of training on mistakes and their
    corrections; no tools or environment; the cloud model sees the steps before the wrong one, not the wrong one itself.
    """

    paper: ClassVar = "AdaSwitch, arXiv 2410.13181"
    cost: ClassVar = "steps*(3 if mode == 'switch' else 6)"
    roles: ClassVar = (Role("local", (Continue,), "worst", "writes the steps and judges them"),
                       Role("cloud", (Continue,), "best", "writes the steps that were judged wrong"))
    must_fit = property(lambda self: self.threshold is None)

    mode: Literal["switch", "reflect"] = "switch"
    """Who writes a wrong step again: the cloud model, or the local one."""
    threshold: Share | None = 0.5
    """Probability of a mistake above which a step is written again (1: never); none: the best of six on dev."""

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Choose `threshold` among six on dev; with one given nothing is learned."""
        return self if self.threshold is not None else await self.choose(dev, cast, "threshold", THRESHOLDS)

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Write step by step; `wrong` in the note holds the probability of a mistake at every check, None where it could not
        be read. When both roles are one model, it answers alone."""
        local, cloud = members.role("local"), members.role("cloud")
        if local.card.fingerprint == cloud.card.fingerprint:
            return Last(cloud, request)
        trace, wrong = self.trace(request), list[float | None]()
        while not trace.over:
            step = await trace.by(local, cloud)
            if step.author == local.name and step.text:
                step = await self._corrected(trace, step, local, cloud, wrong)
            trace = trace.plus(step)
        return trace.reply().noting(wrong=wrong)

    async def _corrected(self, trace: Trace, step: Step, local: Member, cloud: Member,
                         wrong: list[float | None]) -> Step:
        """The step, or what takes its place."""
        for attempt in range(REWRITES + 1):
            check = put(worded(trace.request, JUDGED, step=step.text), "check", answer=trace.plus(step).text)
            wrong.append(await doubt(local, check))
            if (wrong[-1] or 0.0) <= self.chosen("threshold"):
                return step
            if self.mode == "switch":
                return await trace.by(cloud, local)
            if attempt < REWRITES:
                form = None if trace.request.fields else trace.request.form
                again = worded(trace.request, REWRITTEN, trace.request.format, step=step.text).having(form=form)
                step = await replace(trace, request=again).by(local, cloud)
        return step
