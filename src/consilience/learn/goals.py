"""What a user wants of a team, in words of money, quality and time, and which setting of a method gives it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consilience.errors import ConfigError, TargetError
from consilience.method import Method

if TYPE_CHECKING:
    import numpy as np

Z = 1.96
"""Standard normal quantile of .975."""

_QUALITY = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*(of\s+best)?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class Aimed(Method):
    """A method whose fit seeks the setting that the user's target asks for. Without a target: the best dev score.

    With `min_quality` the cheapest setting that reaches it; with `tradeoff` the highest score less the price of its
    cost; else the highest score within the limits on cost and latency. This is the offline form of routing under a
    service level (MESS+, arXiv 2505.19947; OmniRouter, arXiv 2502.20576): the price of money is the multiplier of the
    limit. The online form raises it from question to question; here no answer depends on the questions before it.
    """

    max_cost_per_1k: float | None = field(default=None, kw_only=True)
    """At most so many US dollars per 1,000 questions, on average."""
    min_quality: str | float | None = field(default=None, kw_only=True)
    """At least this mean score, at the least cost: `95% of best` (of the best single member on dev), `80%`, 0.8."""
    max_latency: float | None = field(default=None, kw_only=True)
    """At most so many seconds in 95 of 100 questions."""
    tradeoff: float | None = field(default=None, kw_only=True)
    """Score (0 to 1) that one dollar per 1,000 questions is worth: 0.01 gives up a point of score to save a dollar."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_cost_per_1k", "max_latency", "tradeoff"):
            value = getattr(self, name)
            if value is not None and not (value >= 0 and math.isfinite(value)):
                raise ConfigError(f"{self.name}: {name} must be a number from 0, got {value!r}")
        if self.min_quality is not None:
            least_quality(self.min_quality, 1.0)
            if self.tradeoff is not None:
                raise ConfigError(f"{self.name}: min_quality asks for the cheapest setting that reaches it, tradeoff for "
                                  "another; state one of them")

    @property
    def aims(self) -> bool:
        """Whether a target was stated."""
        return any(v is not None for v in (self.max_cost_per_1k, self.min_quality, self.max_latency, self.tradeoff))

    @property
    def needs_costs(self) -> bool:
        """Whether the target speaks of money, so that all costs must be known."""
        return any(v is not None for v in (self.max_cost_per_1k, self.min_quality, self.tradeoff))

    def settle(self, trials: Trials) -> Settled:
        """The setting that the target asks for, and what is to be expected of it on questions like those of dev.

        The setting is chosen on all questions. The score that is expected is measured where nothing was chosen: the setting
        that the target asks for on one half of the questions is tried on the other half, and the reverse. Cost and time
        are those of the chosen setting itself, since halves would settle further from the limit. Raises TargetError naming
        the nearest setting and its cost when none meets the target.
        """
        import numpy as np

        chosen, met = self._choose(trials)
        if not met:
            raise TargetError(f"{self.name}: no setting reaches {self._target(trials)} on dev; the nearest has "
                              f"{_said(trials.take(chosen))}")
        order = np.random.default_rng(0).permutation(trials.quality.shape[1])
        halves = [np.sort(order[::2]), np.sort(order[1::2])]
        seen = []
        if all(len(half) for half in halves):
            for here, there in (halves, halves[::-1]):
                seen.append(trials.among(there).take(self._choose(trials.among(here))[0]))
        else:
            seen.append(trials.take(chosen))
        return Settled(chosen, _expected(seen, trials.take(chosen)))

    def nearest(self, trials: Trials) -> int:
        """The setting that the target asks for or, when none meets it, the nearest."""
        return self._choose(trials)[0]

    def _choose(self, trials: Trials) -> tuple[int, bool]:
        """Index of the wanted setting, and whether it meets the target; else the nearest to it."""
        import numpy as np

        quality, cost, late = trials.quality.mean(axis=1), trials.cost_per_1k, trials.latency
        short = np.zeros(len(quality))
        if self.max_cost_per_1k is not None:
            short = np.maximum(short, cost / max(self.max_cost_per_1k, 1e-12) - 1)
        if self.max_latency is not None:
            short = np.maximum(short, late / max(self.max_latency, 1e-12) - 1)
        if self.min_quality is not None:
            short = np.maximum(short, least_quality(self.min_quality, float(trials.best.mean())) - quality)
        wanted = -quality if self.min_quality is None else cost
        if self.tradeoff:
            wanted = self.tradeoff * cost - quality
        reached = short <= 1e-9
        wanted = np.where(reached, wanted, np.inf) if reached.any() else short
        ties = np.flatnonzero(wanted <= wanted.min() + 1e-12)
        cheap = np.where(np.isnan(cost[ties]), 0.0, cost[ties])
        return int(ties[np.lexsort((-quality[ties], cheap))[0]]), bool(reached.any())

    def _target(self, trials: Trials) -> str:
        best = float(trials.best.mean())
        parts = [f"max_cost_per_1k {self.max_cost_per_1k:g}" if self.max_cost_per_1k is not None else "",
                 f"max_latency {self.max_latency:g} s" if self.max_latency is not None else ""]
        if self.min_quality is not None:
            parts.append(f"min_quality {self.min_quality} (a mean score of {least_quality(self.min_quality, best):.3f}; "
                         f"the best single member has {best:.3f})")
        return " and ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Trials:
    """What each setting of a method would have done on dev: float arrays [settings, questions].

    `cost` is in US dollars, NaN where unknown; `seconds` the recorded time. `best` [questions] are the scores of the
    best single member. Scores are of questions that the setting's estimates have not seen.
    """

    quality: np.ndarray
    cost: np.ndarray
    seconds: np.ndarray
    best: np.ndarray

    @property
    def cost_per_1k(self) -> np.ndarray:
        """US dollars per 1,000 questions of each setting, NaN where unknown."""
        found: np.ndarray = 1000 * self.cost.mean(axis=1)
        return found

    @property
    def latency(self) -> np.ndarray:
        """Seconds that 95 of 100 questions take at most, of each setting."""
        import numpy as np

        found: np.ndarray = np.quantile(self.seconds, 0.95, axis=1)
        return found

    def among(self, rows: np.ndarray) -> Trials:
        """The same settings on some of the questions."""
        return Trials(self.quality[:, rows], self.cost[:, rows], self.seconds[:, rows], self.best[rows])

    def take(self, setting: int) -> Trials:
        """One setting."""
        one = slice(setting, setting + 1)
        return Trials(self.quality[one], self.cost[one], self.seconds[one], self.best)


@dataclass(frozen=True, slots=True)
class Settled:
    """Index of the chosen setting, and what is expected of it: JSON values, with 95% intervals."""

    setting: int
    expected: Mapping[str, Any]


def least_quality(wanted: str | float, best: float) -> float:
    """The mean score that `95% of best`, `80%` or 0.8 asks for, when the best single member has `best`."""
    if isinstance(wanted, str):
        found = _QUALITY.fullmatch(wanted)
        if found is None:
            raise ConfigError(f"min_quality {wanted!r} is not understood; '95% of best', '80%' or 0.8 would be")
        number, percent, of_best = found.groups()
        value = float(number) / (100 if percent else 1)
        if of_best:
            return value * best
    else:
        value = float(wanted)
    if not 0 <= value <= 1:
        raise ConfigError(f"min_quality is a mean score from 0 to 1 (or a percentage), got {wanted!r}")
    return value


def costs_known(method: Aimed, cost: np.ndarray, names: tuple[str, ...]) -> None:
    """ConfigError naming the members without a known cost when the target speaks of money: `cost` is [questions, members]."""
    import numpy as np

    missing = [name for name, column in zip(names, cost.T, strict=True) if np.isnan(column).any()]
    if method.needs_costs and missing:
        raise ConfigError(f"{method.name}: the target speaks of money, but the cost of {', '.join(missing)} is unknown; "
                          "give a price: [dollars per million prompt tokens, per million completion tokens]")


def _expected(seen: list[Trials], chosen: Trials) -> dict[str, Any]:
    import numpy as np

    quality = np.concatenate([t.quality[0] for t in seen])
    single = np.concatenate([t.best for t in seen])
    cost = 1000 * chosen.cost[0]
    known = not bool(np.isnan(cost).any())
    return {"questions": len(quality), "quality": _interval(quality, 0.0), "best_single": _interval(chosen.best, 0.0),
            "gain": _interval(quality - single, -1.0), "cost_per_1k": _interval(cost) if known else None, "latency": round(float(chosen.latency[0]), 6)}


def _interval(values: np.ndarray, least: float | None = None) -> list[float]:
    """Mean, low and high end of its 95% interval.

    Scores lie between `least` and 1: two of either end are seen with them, so that a few questions of one outcome are not
    taken for certain. Without `least`, a single value has an interval of no width.
    """
    import numpy as np

    mean = float(values.mean())
    seen = values if least is None else np.concatenate([values, np.repeat([least, 1.0], 2)])
    half = Z * float(seen.std(ddof=1)) / math.sqrt(len(values)) if len(seen) > 1 else 0.0
    low, high = (mean - half, mean + half) if least is None else (max(least, mean - half), min(1.0, mean + half))
    return [round(v, 9) for v in (mean, low, high)]


def _said(trials: Trials) -> str:
    cost = float(trials.cost_per_1k[0])
    money = "at an unknown cost" if math.isnan(cost) else f"at ${cost:.4g} per 1,000 questions"
    return f"a mean score of {float(trials.quality.mean()):.3f} {money}, {float(trials.latency[0]):.3g} s"
