"""Standard operating procedures: which role does what in which order, as YAML says it.

    answer: final                       # what the answer is taken from
    phases:
      - role: writer
        writes: draft                   # the name of what it hands on
        instruction: Answer the question.
      - role: editor
        reads: [draft]                  # what it sees of the others' work, and nothing else
        writes: final
        instruction: Improve the draft.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from consilience.errors import ConfigError, did_you_mean
from consilience.prompt import places
from consilience.team import TAKEN
from consilience.types import Wording

FOLDER = Path(__file__).with_name("procedures")
"""Where the packaged procedures lie."""


class Phase(BaseModel):
    """One phase: a role does something once.

    `reads` names what it sees of earlier phases; `{name}` in the instruction is where it sees it, else it stands before.
    `member` is who plays the role when the user names nobody: the `next` member for each new role, the `best`, or one by its
    place in the ranking, from 1. `executes` names the program that is run: the phase's own text, or an earlier one, which
    this phase's text then tests. What fails goes back to the program's writer, `repairs` times; `anew` has other tests
    written for every version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Annotated[str, Field(pattern=r"^\w[\w -]*$")]
    instruction: Annotated[str, Field(min_length=1)]
    writes: Annotated[str, Field(pattern=r"^[a-z]+$")]
    reads: tuple[str, ...] = ()
    member: Literal["next", "best"] | Annotated[int, Field(ge=1)] = "next"
    executes: str = ""
    repairs: Annotated[int, Field(ge=0)] = 0
    anew: bool = False


class Procedure(BaseModel):
    """The phases in order, and what the answer is taken from (by default what the last phase writes)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    answer: str = ""
    about: str = ""

    @property
    def final(self) -> str:
        """What the answer is taken from."""
        return self.answer or self.phases[-1].writes

    @property
    def programs(self) -> frozenset[str]:
        """What is executed."""
        return frozenset(phase.executes for phase in self.phases if phase.executes)

    @property
    def roles(self) -> tuple[str, ...]:
        """All roles in order."""
        return tuple(dict.fromkeys(phase.role for phase in self.phases))

    def turns(self, phase: Phase, repairs: int | None) -> int:
        """How often what fails goes back in a phase; `repairs` overrules the procedure."""
        return 0 if not phase.executes else phase.repairs if repairs is None else repairs

    def calls(self, repairs: int | None = None) -> int:
        """Calls per question, at most: every program may be asked for once more when there is none in the text, and the plain
        question when the answer cannot be read."""
        turns = [(self.turns(phase, repairs), phase.anew) for phase in self.phases]
        return len(self.phases) + 1 + len(self.programs) + sum(n + anew * max(0, n - 1) for n, anew in turns)


def packaged() -> dict[str, Path]:
    """The procedures that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def source(given: str | Mapping[str, Any]) -> str:
    """A procedure as one text: the name of a packaged one, or YAML (of a file, or written in place). Raises ConfigError."""
    if isinstance(given, Mapping):
        try:
            return str(yaml.safe_dump(dict(given), sort_keys=False, allow_unicode=True))
        except (yaml.YAMLError, RecursionError) as error:
            raise ConfigError(f"procedure: it holds what no YAML file could: {' '.join(map(str, error.args))}") from None
    if given in packaged() or "\n" in given:
        return given
    try:
        return Path(given).read_text(encoding="utf-8").rstrip() + "\n"
    except (OSError, ValueError) as error:
        raise ConfigError(f"procedure {given!r} is no packaged one, and no file that can be read "
                          f"({getattr(error, 'strerror', None) or error}).{did_you_mean(given, packaged())}") from None


@cache
def procedure(text: str) -> Procedure:
    """The procedure of a `source`. Raises ConfigError with the phase, what is wrong and what would do, in one line."""
    named = packaged().get(text)
    where = f"procedure {text!r}" if named else "procedure"
    try:
        data = yaml.safe_load(named.read_text(encoding="utf-8") if named else text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:      # ValueError: the 13th month, a number too long
        raise ConfigError(f"{where} is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, Mapping) or not isinstance(data.get("phases"), list):
        raise ConfigError(f"{where}: expected `phases:` with a list of phases, each with role, writes and instruction")
    faults = [*_strange(data, Procedure, where)]
    faults += [fault for n, phase in enumerate(data["phases"], 1) if isinstance(phase, Mapping)
               for fault in _strange(phase, Phase, f"{where}: {_called(n, phase.get('role'))}")]
    if not faults:
        try:
            made = Procedure.model_validate(data)
        except ValidationError as error:
            faults = list(dict.fromkeys(f"{where}: {_place(e['loc'], data)}: {e['msg']}" for e in error.errors()))
        else:
            faults = [f"{where}: {fault}" for fault in _faults(made)]
            if not faults:
                return made
    raise ConfigError(faults[0])


def _called(number: int, role: object) -> str:
    return f"phase {number}" + (f" ({role})" if role else "")


def _strange(data: Mapping[Any, Any], model: type[BaseModel], where: str) -> Iterator[str]:
    """Unknown keys."""
    for key in data:
        if key not in model.model_fields:
            yield f"{where}: unknown key {key!r}.{did_you_mean(str(key), model.model_fields)}"


def _place(loc: tuple[int | str, ...], data: Mapping[str, Any]) -> str:
    """Where a value is wrong, in the words of the file."""
    if len(loc) < 2 or not isinstance(loc[1], int):
        return str(loc[0])
    phase = data["phases"][loc[1]]
    role = phase.get("role") if isinstance(phase, Mapping) else None
    return ": ".join([_called(loc[1] + 1, role), *(str(part) for part in loc[2:3])])


def _faults(made: Procedure) -> Iterator[str]:
    """What is wrong between phases."""
    written: list[str] = []
    for number, phase in enumerate(made.phases, 1):
        who = _called(number, phase.role)
        if phase.role in TAKEN:
            yield f"{who}: no role can be called {phase.role!r}, which means something else where models are named for roles"
        if phase.writes in written:
            yield f"{who} writes {phase.writes!r}, which an earlier phase writes; give it another name"
        for name in phase.reads:
            if name not in written:
                yield f"{who} reads {name!r}, which no earlier phase writes.{did_you_mean(name, written)}"
        for name in sorted(places(Wording(phase.instruction)) - {*phase.reads}):
            yield f"{who}: its instruction shows {{{name}}}, which is not among what it reads.{did_you_mean(name, phase.reads)}"
        written.append(phase.writes)
        if phase.executes and phase.executes not in written:
            yield f"{who} executes {phase.executes!r}, which neither it nor an earlier phase writes.{did_you_mean(phase.executes, written)}"
        if phase.repairs and not phase.executes:
            yield f"{who} has repairs but executes nothing; say which program: `executes: {written[0]}`"
        if phase.anew and phase.executes in ("", phase.writes):
            yield f"{who}: anew is for tests of an earlier phase's program; say which: `executes: {written[0]}`"
    if made.final not in written:
        yield f"the answer is {made.answer!r}, which no phase writes.{did_you_mean(made.answer, written)}"


def code(text: str) -> str | None:
    """The program in a text: the last fenced block of Python that defines something, else the last one; None without any."""
    found = re.findall(r"^[ \t]*```[ \t]*+([^\n`]*+)\n(.*?)(?:^[ \t]*```|\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = [block.strip("\n") for label, block in found if re.fullmatch(r"(?:py(?:thon)?[\d.]*)?\s*", label, re.IGNORECASE)]
    defining = [block for block in blocks if re.search(r"^(?:async )?(?:def|class) ", block, re.MULTILINE)]
    return next(reversed(defining or blocks), None)
