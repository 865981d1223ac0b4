"""What routers share: each only says what every member is expected to score; whom to ask for that, and for its price, is
decided here."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from consilience.errors import ConfigError, ModelError, NoAnswerError, TeamError
from consilience.gather import Member, Members, absence, place_of
from consilience.learn.embedding import Encoder, check_name, encode, fitted, restored, unit
from consilience.learn.goals import Aimed, Trials, costs_known
from consilience.learn.table import Table, alone
from consilience.learn.threads import one_thread
from consilience.method import Cast, Count, Dev, Last, Learned, Level, Method, Role
from consilience.model import Embed, Model
from consilience.types import Reply, Request, digest

if TYPE_CHECKING:
    import numpy as np

SETTINGS = 200
"""Prices of money that calibration tries."""

STEP = 0.02
"""Settings whose mean costs lie further apart than this share of the whole range are mixed: each question takes one of
the two prices by lot, so that a budget between them can be used."""

_SPACE = "space."
"""Prefix of the embedding's arrays."""


@dataclass(frozen=True)
class Chooser(Aimed):
    """A method that chooses who answers before anybody does, by what each member is expected to score and to cost.

    At run time the member with the highest worth less the price of its mean dev cost answers; when it fails, the next.
    Where a budget lies between two prices, each question takes one of them by lot.
    """

    level: ClassVar = Level.ROUTE
    cost: ClassVar = "1"
    reads: ClassVar = False
    must_fit: ClassVar = True

    def priced(self, table: Table, expected: np.ndarray, values: Mapping[str, Any], arrays: Mapping[str, np.ndarray],
               levels: Sequence[float] | None = None) -> Self:
        """The fitted copy: the prices of money that the target asks for, besides values and arrays of its own.

        `expected` [questions, members] is what was expected of dev questions that the estimates had not seen; `levels` are
        the prices that are tried.
        """
        slow = self._slow(table)
        ways, picks, trials = _tried(expected, table, slow, prices(expected, table.costs) if levels is None else levels)
        settled = self.settle(trials)
        told = {**settled.expected, "shares": _shares(table.names, picks[settled.setting]), **alone(table)}
        return self.with_learned({**values, "members": list(table.names), "prices": ways[settled.setting], "expected": told},
                                 **arrays, cost=_mean_cost(table), slow=slow, standing=table.standing)

    def _slow(self, table: Table) -> np.ndarray:
        """Which members took longer than `max_latency` in more than 5 of 100 dev questions; if all did, none is."""
        import numpy as np

        late = np.quantile(table.seconds, 0.95, axis=0)
        slow = late > (np.inf if self.max_latency is None else self.max_latency)
        return slow if not slow.all() else late > late.min()

    def check(self, cast: Cast) -> None:
        """Members that joined behind those that it was fitted for may be bound, to be fitted again; not yet asked."""
        known = len(self.learned.values["members"]) if self.learned is not None else 0
        check_members(self, replace(cast, members=cast.members[:known]))

    def ranking(self, request: Request, members: Iterable[Member], worth: np.ndarray) -> list[Member]:
        """Members by `worth` (by team order) less the price of their cost, slow ones last; ties to the better on dev, then
        to the cheaper there."""
        import numpy as np

        found, members = self.found(), list(members)
        if max(m.index for m in members) >= len(found.values["members"]):
            raise TeamError(f"{self.name} was fitted for {', '.join(found.values['members'])} alone: fit the team again, then the "
                            "others take part")
        cost, standing, slow = (found.arrays[k] for k in ("cost", "standing", "slow"))
        gain = worth - price_for(request.question, found.values["prices"]) * cost
        value = np.stack([slow, -np.round(gain, 9), -np.round(standing, 12), cost], axis=1).tolist()
        return sorted(members, key=lambda m: (value[m.index], place_of(m)))

    def answer(self, request: Request, ranking: list[Member], worth: Sequence[float]) -> Last:
        """The ask that the ranking comes to; `worth` by team order."""
        return Last.ranked(ranking, request, route=ranking[0].name, expected=worth[ranking[0].index])


@dataclass(frozen=True)
class Router(Chooser):
    """A chooser that predicts from the question's vector.

    A subclass learns from a `Table` and predicts `worth`. Fitting predicts every dev question from the others (folds), so
    that the price of money, and what is expected, come from questions that the estimates have not seen. Under a target about
    money the estimates of the folds themselves go on deciding, each for its share of questions by lot: what was promised of
    them is then what they do, where an estimate from all of dev would spend otherwise.
    """

    roles: ClassVar[tuple[Role, ...]] = (Role("embedder", (Embed,), "none", "gives the questions' vectors instead of `embedding`"),)

    embedding: str = field(default="tfidf", kw_only=True)
    """Vectors of questions: `tfidf` (needs nothing), `model2vec:NAME`, `sentence-transformers:NAME`."""
    folds: Count = field(default=5, kw_only=True)
    """Parts of dev, each predicted from the others, for calibration."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_name(self.embedding)

    @abstractmethod
    def learn(self, table: Table) -> Learned:
        """What `worth` needs, from dev questions and what the members did on them."""

    @abstractmethod
    def worth(self, found: Learned, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """Expected score of each member for questions with vectors `x` [questions, width]: [questions, members]."""

    async def embed(self, texts: Sequence[str], embedder: Model | None) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        """Vectors of dev questions, and the arrays of the encoder that was fitted for them."""
        if embedder is not None:
            return unit((await embedder.power(Embed).embed(texts)).value), {}  # type: ignore[union-attr]
        with one_thread():
            encoder = self._known_encoder() or fitted(self.embedding, texts)
        return await encode(encoder, texts), encoder.arrays()

    def _known_encoder(self) -> Encoder | None:
        """The encoder of an earlier fit: a team that is fitted again, as for a new member, keeps its space."""
        if self.learned is None or self.learned.values["embedding"] != self.embedding:
            return None
        return _encoder(self.embedding, self.learned)

    async def table(self, dev: Dev, cast: Cast) -> Table:
        """What is learned from; a router that wants more than the members' first answers adds it."""
        return await Table.of(dev, cast.members)

    async def fit(self, dev: Dev, cast: Cast) -> Self:
        """Embed the dev questions, learn from them, and choose the price of money by what each fold foresaw of the others.
        ConfigError where the target speaks of money and a cost is unknown, or the embedder gives no vectors; TargetError
        where no setting meets the target."""
        import numpy as np

        table = await self.table(dev, cast)
        costs_known(self, table.costs, table.names)
        try:
            x, space = await self.embed(table.texts, next(iter(cast.roles["embedder"]), None))
        except (ModelError, NoAnswerError) as error:
            raise ConfigError(f"{self.name}: the embedder failed on the dev questions, so nothing was learned: {error}") from error
        if not np.isfinite(x).all():
            raise ConfigError(f"{self.name}: the embedder gave vectors of dev questions that are no numbers")
        table = replace(table, x=x)
        with one_thread():
            (unseen, models), own = self._unseen(table), self.learn(table)
            kept = models if self.needs_costs else []
            values = {"own": dict(own.values), "folds": [dict(model.values) for model in kept], "embedding": self.embedding,
                      "width": x.shape[1]}
            arrays = {_fold(i) + k: v for i, model in enumerate(kept) for k, v in model.arrays.items()}
            return self.priced(table, unseen, values, {**{_SPACE + k: v for k, v in space.items()}, **arrays, **own.arrays})

    def _unseen(self, table: Table) -> tuple[np.ndarray, list[Learned]]:
        """Worth of the members on every dev question, predicted from questions of other folds, and what each fold learned."""
        import numpy as np

        out, models = np.zeros_like(table.scores), []
        for here, there in table.folds(self.folds):
            part = table.among(there)
            models.append(self.learn(table.among(here)))
            out[there] = self.worth(models[-1], part.x, part.texts)
        return out, models

    async def run(self, request: Request, members: Members) -> Reply | Last:
        """Ask whoever is worth most for the question's vector; a member alone is asked as it is."""
        if len(members) == 1:
            return Last(members[0], request)
        return self.choose(request, members, await self.vector(request, members))

    async def vector(self, request: Request, members: Members) -> np.ndarray | None:
        """The question's vector, [1, width]; None when the embedder failed, which is noted."""
        if not members.roles["embedder"]:
            return _encoder(self.embedding, self.found()).encode([request.question])
        embedder = members.role("embedder")
        try:
            return unit(await embedder.embed([request.question]))
        except (ModelError, NoAnswerError) as error:
            embedder.run.absent.append(absence(embedder, error))
            return None

    def choose(self, request: Request, members: Members, x: np.ndarray | None) -> Last:
        """The ask of whoever is worth most; without a vector, of the best on dev."""
        worth = self.found().arrays["standing"] if x is None else self.expected(x, [request.question])[0]
        return self.answer(request, self.ranking(request, members, worth), [round(float(w), 6) for w in worth])

    def expected(self, x: np.ndarray, texts: Sequence[str]) -> np.ndarray:
        """`worth` by what was learned, for many questions at once; the members' dev scores where a vector is zero or no
        number. TeamError for vectors of another width than those of fitting."""
        import numpy as np

        found = self.found()
        if x.shape[1] != found.values["width"]:
            raise TeamError(f"{self.name} was fitted on vectors of width {found.values['width']}, and the embedder now gives "
                            f"{x.shape[1]}: fit it again")
        told = (x.any(axis=1) & np.isfinite(x).all(axis=1))[:, None]
        x, models = np.where(told, x, 0), _models(found)
        turn = np.array([int(lot(f"fold {text}") * len(models)) for text in texts])
        worth = np.zeros((len(texts), len(found.arrays["standing"])))
        for i in sorted(set(turn)):
            rows = np.flatnonzero(turn == i)
            worth[rows] = self.worth(models[i], x[rows], [texts[row] for row in rows])
        return np.where(told, worth, found.arrays["standing"])


def check_members(method: Method, cast: Cast) -> None:
    """TeamError when a method that learned who its members are (`members`) gets others, or another order."""
    if method.learned is None:
        return
    known, given = method.learned.values["members"], [m.card.name for m in cast.members]
    if known != given:
        raise TeamError(f"{method.name} was fitted for the members {', '.join(known)} (in this order), got "
                        f"{', '.join(given)}: fit it again")


def prices(expected: np.ndarray, costs: np.ndarray) -> list[float]:
    """Prices of money (score per dollar and question) worth trying: 0, and where choices of dev questions switch from a
    dearer member to a cheaper one. `expected` and `costs` are [questions, members]; no known costs give 0 alone."""
    import numpy as np

    cost = costs.mean(axis=0)
    gap = cost[:, None] - cost[None, :]
    dear, cheap = np.nonzero(gap > 1e-15)
    if not len(dear):
        return [0.0]
    switch = ((expected[:, dear] - expected[:, cheap]) / gap[dear, cheap]).ravel()
    switch = switch[switch > 0]
    if not len(switch):
        return [0.0]
    levels = np.quantile(switch, np.linspace(0, 1, SETTINGS - 2))
    return [0.0, *(float(v) for v in np.unique(levels) * (1 + 1e-9)), float(switch.max()) * 2 + 1.0]


Way = tuple[float, float, float]
"""Two prices of money, and the share of questions that take the second."""


def price_for(text: str, way: Sequence[float]) -> float:
    """The price of money that a question takes: its lot hangs on its text alone."""
    low, high, share = way
    return high if share and lot(text) < share else low


def lot(text: str) -> float:
    """A number from 0 to 1, uniform over texts."""
    return int(digest(["lot", text])[:12], 16) / 16**12


def _tried(worth: np.ndarray, table: Table, slow: np.ndarray,
           levels: Sequence[float]) -> tuple[list[Way], list[np.ndarray], Trials]:
    """The settings, whom each would have asked, and what that would have done: ties go to the better member on dev, then
    to the cheaper."""
    import numpy as np

    cost = _mean_cost(table)
    order = np.lexsort((cost, -np.round(table.standing, 12)))
    gains = (np.where(slow, -np.inf, np.round(worth - price * cost, 9)) for price in levels)
    picks = [order[np.argmax(gain[:, order], axis=1)] for gain in gains]
    ways, picks = _mixed(levels, picks, cost, np.array([lot(text) for text in table.texts]))
    rows = np.arange(len(table))
    columns = (np.stack([column[rows, pick] for pick in picks]) for column in (table.scores, table.costs, table.seconds))
    return ways, picks, Trials(*columns, table.scores[:, table.best])


def _shares(names: Sequence[str], picks: np.ndarray) -> dict[str, float]:
    """Share of the questions that each member is asked, by name."""
    import numpy as np

    return {name: round(float(np.mean(picks == m)), 6) for m, name in enumerate(names)}


def _mixed(levels: Sequence[float], picks: Sequence[np.ndarray], cost: np.ndarray, lots: np.ndarray) -> tuple[list[Way], list[np.ndarray]]:
    """Each setting that differs from the one before, and mixtures where two neighbours lie far apart in cost."""
    import numpy as np

    ways, out = [(levels[0], levels[0], 0.0)], [picks[0]]
    step = STEP * float(np.ptp(cost)) or np.inf
    for price, here in zip(levels[1:], picks[1:], strict=True):
        if (here == out[-1]).all():
            continue
        there, low = out[-1], ways[-1][0]
        parts = int(min(1 / STEP, abs(cost[here].mean() - cost[there].mean()) / step))
        for share in (part / (parts + 1) for part in range(1, parts + 1)):
            ways.append((low, price, share))
            out.append(np.where(lots < share, here, there))
        ways.append((price, price, 0.0))
        out.append(here)
    return ways, out


def _mean_cost(table: Table) -> np.ndarray:
    """Mean dev cost of each member in dollars; 0 for all where one is unknown, so that money plays no part."""
    import numpy as np

    cost = table.costs.mean(axis=0)
    return np.zeros_like(cost) if np.isnan(cost).any() else cost


def _fold(i: int) -> str:
    """Prefix of the arrays of fold `i`."""
    return f"fold{i}."


def _models(found: Learned) -> list[Learned]:
    """What the subclass learned, its values and arrays: in each fold where those decide, else from all of dev."""
    folds = [{k.removeprefix(_fold(i)): v for k, v in found.arrays.items() if k.startswith(_fold(i))}
             for i in range(len(found.values["folds"]))]
    return [Learned(values, {**found.arrays, **arrays}) for values, arrays in zip(found.values["folds"], folds, strict=True)] \
        or [Learned(found.values["own"], found.arrays)]


def _encoder(embedding: str, found: Learned) -> Encoder:
    return restored(embedding, {k.removeprefix(_SPACE): v for k, v in found.arrays.items() if k.startswith(_SPACE)})
