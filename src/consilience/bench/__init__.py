"""Benchmarks: an experiment is loaded, planned, priced, run, and reported.

    experiment = load(path)                       # strict YAML -> frozen values; ConfigError
    plan = make_plan(experiment)                  # teams bound, tasks loaded; TeamError, ConfigError, TaskError
    estimates = await price(plan)                 # --dry-run: rehearsal, no call of any model
    outcome = await run(plan, out, store=path)    # results.jsonl, traces.jsonl, leaderboard.csv, report.html
    page = report([out])                          # the page again, of one or several directories
"""

from __future__ import annotations

from consilience.bench.experiment import Entry, Experiment, load, parse
from consilience.bench.plan import LeftOut, Plan, make_plan
from consilience.bench.price import Estimate, Range, price
from consilience.bench.progress import Progress
from consilience.bench.report import report
from consilience.bench.runner import Outcome, run

__all__ = ["Entry", "Estimate", "Experiment", "LeftOut", "Outcome", "Plan", "Progress", "Range", "load", "make_plan",
           "parse", "price", "report", "run"]
