"""The page of all methods, made from the registry: `python -m consilience.methods.table docs/methods.md` writes it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from consilience.method import Method
from consilience.registry import common_options, methods, options_of

HEAD = """# Methods

Written by `python -m consilience.methods.table docs/methods.md`; do not edit by hand. Calls per question are those at
most, over `N` members and the options. *Needs* are powers that every member must offer, beside text; *dev* means that
the team must be fitted first (`consilience fit`, `team.fit`). Roles that are not named are filled as the tables say.
"""

COMMON = """## What every method takes

{options}

**Prompts.** `consilience methods reconcile --prompts` prints the wordings that a method speaks in, in the form in which they
are replaced: by a text with some of the same fields, or by `{{text: ..., item: ...}}` where a field is a list, which is written
item by item (`{{number}}`, `{{letter}}`, `{{text}}`). Unknown names and fields are errors before any call.

```yaml
pool: nursery
tasks: [nursery]
methods:
  - reconcile: {{prompts: {{first: "{{question}} {{instruction}} Then say how sure you are, as Confidence: 0.9"}}, as: short}}
  - mixture-of-agents: {{prompts: {{fuse: {{text: "{{question}}\\n{{candidates}}\\n{{instruction}}", item: "<<<\\n{{text}}\\n>>>\\n"}}}}}}
```

A wording is looked for in this order: the method's option `prompts`; for the named forms (`fuse`, `refine`, `judge`, ...) the
`forms` of the [member](members.md) that answers; the default. Digests of what was in force are in `experiment.yaml`.

**What others said** is quoted as data in every prompt: between `<<<` and `>>>`, numbered, without names, in an order drawn from
the question and the seed. Delimiters inside a quoted text are taken apart (`> > >`), marks of common chat templates too, so
that a member cannot end its quotation and give orders; a prompt of yours should keep the delimiters.

**Patience.** A member that fails, or that takes longer than `timeout`, is absent and named on the reply; with `quorum: k` a
stage counts when k members answered. In a benchmark recorded seconds decide, so that a run repeats; the clock does when
somebody waits (`consilience ask`, `Scope(live=True)`).
"""


def page() -> str:
    """All methods: one table, then a section each with what it does, its deviations, roles and options."""
    found = list(methods().values())
    rows = [[f"[{c.name}](#{c.name})", c.level.value, f"`{c.cost}`", ", ".join(wants(c)), c.paper] for c in found]
    parts = [HEAD, table(["method", "level", "calls", "needs", "paper"], rows)]
    common = table(["option", "type", "default", "meaning"],
                   [[o.name, f"`{o.type}`", f"`{o.default}`", o.doc] for o in common_options()])
    return "\n\n".join([*parts, COMMON.format(options=common), *map(section, found)]) + "\n"


def wants(cls: type[Method]) -> list[str]:
    """Powers, extras and whether it must be fitted; what depends on options is that of the defaults."""
    made = cls()
    powers = [kind.__name__ for kind in made.needs]
    return powers + sorted(made.extras) + ["dev"] * made.must_fit


def section(cls: type[Method]) -> str:
    """One method in full."""
    parts = [f"## {cls.name}", inspect.cleandoc(cls.__doc__ or ""),
             f"Level {cls.level.value}. Source: {cls.paper}. Calls per question: `{cls.cost}`."
             + (f" Members: at least {cls.min_members}." if cls.min_members > 1 else "")
             + (" Learns from dev." if cls.fit is not Method.fit else "")]
    if cls.roles:
        parts.append(table(["role", "needs", "filled by", "part"],
                           [[r.name, ", ".join(k.__name__ for k in r.needs), r.default or "must be named", r.doc]
                            for r in cls.roles]))
    if options := options_of(cls):
        parts.append(table(["option", "type", "default", "meaning"],
                           [[o.name, f"`{o.type}`", f"`{o.default}`", o.doc] for o in options]))
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; bars and line ends inside cells are written so that they stay inside."""
    def line(cells: Sequence[Any]) -> str:
        """A row; line breaks become spaces, and bars are escaped."""
        return "| " + " | ".join(" ".join(str(c).split()).replace("|", "\\|") for c in cells) + " |"

    return "\n".join([line(head), line(["---"] * len(head)), *map(line, rows)])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
