"""Fitting on dev, once: what was found is kept in the store, so that a resumed run does not learn again."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from consilience.bench.code import code_digest
from consilience.method import Learned
from consilience.team import Team
from consilience.types import Example, digest


def needs_fit(team: Team) -> bool:
    """Whether a team, or one nested in it, has not seen dev yet."""
    return team.standing is None or any(needs_fit(m) for m in team.members if isinstance(m, Team))


def fit_key(team: Team, dev: Sequence[Example]) -> str:
    """What a fit depends on: the team, the code of its method, and dev."""
    return digest([team.card.fingerprint, code_digest(team), [content_digest(e) for e in dev]])


def content_digest(example: Example) -> str:
    """Digest of a question, its references and how it is asked and scored."""
    form = example.request.format
    return digest([example.id, example.request.content(), list(example.references), form.name if form else None])


def dump(team: Team) -> dict[str, Any]:
    """What fitting found in a team and in the teams nested in it, as JSON values."""
    return {"standing": list(team.standing) if team.standing is not None else None,
            "learned": _learned_out(team.method.learned),
            "inner": {str(i): dump(m) for i, m in enumerate(team.members) if isinstance(m, Team)}}


def restore(team: Team, found: Mapping[str, Any]) -> Team:
    """A team with what `dump` wrote of a fitted copy."""
    members = [restore(m, found["inner"][str(i)]) if isinstance(m, Team) else m for i, m in enumerate(team.members)]
    standing = tuple(found["standing"]) if found["standing"] is not None else None
    method = replace(team.method, learned=_learned_in(found["learned"]))
    return Team(method, members, name=team.name, standing=standing, **team.roles)


def _learned_out(learned: Learned | None) -> dict[str, Any] | None:
    if learned is None:
        return None
    return {"values": dict(learned.values), "arrays": {k: _pack(v) for k, v in sorted(learned.arrays.items())}}


def _learned_in(data: Mapping[str, Any] | None) -> Learned | None:
    if data is None:
        return None
    return Learned(data["values"], {k: _unpack(v) for k, v in data["arrays"].items()})


def _pack(array: np.ndarray) -> str:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return base64.b64encode(buffer.getvalue()).decode()


def _unpack(text: str) -> np.ndarray:
    found: np.ndarray = np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False)
    return found
