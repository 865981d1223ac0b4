"""Teams that work by standard operating procedures: who does what in which order is YAML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from consilience.learn.assembly import Procedural
from consilience.learn.procedure import Procedure, procedure, source
from consilience.registry import register


@register
@dataclass(frozen=True)
class StandardProcedure(Procedural):
    """Members play roles in fixed phases that a YAML file lays down, each reading what it subscribes to of the others' work.

    The file holds `phases`, a list, and perhaps `answer`, the text that is the answer (the last phase's). A phase has:

    - `role`, `instruction`, and `writes`, the name of its text; `reads`, a list of names of earlier texts;
    - `member`: `next` (for each new role the next one, best first), `best`, or a place in that ranking, such as 2;
    - `executes`: the program that is run, its own text or an earlier one, which this phase's asserts then test; `repairs`, how
      often what fails goes back to its writer; `anew: true`, to write other tests for each version.

    For example `phases: [{role: writer, writes: draft, instruction: Answer.}, {role: editor, reads: [draft], writes: final,
    instruction: Improve it.}]`. Models can be named for roles. Programs run isolated or not at all; the last one that passed its
    tests is the answer, else the last. Where it cannot be read, the best member answers the plain question. The cost shown is
    that of the default; yours is counted from the file.
    """

    paper: ClassVar = "MetaGPT, arXiv 2308.00352; Self-collaboration, arXiv 2304.07590"
    cost: ClassVar = "5"

    procedure: str | Mapping[str, Any] = "review"
    """A YAML file, its content, or a packaged one: metagpt, review, self-collaboration."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "procedure", source(self.procedure))
        super().__post_init__()

    @property
    def plan(self) -> Procedure:
        """The procedure that the option names or holds; ConfigError that says what is wrong with one."""
        return procedure(str(self.procedure))
