"""The part of the page about judges: each alone, in both orders, in panels, and the orders that their verdicts make."""

from __future__ import annotations

from typing import Any

import numpy as np
from layout import differences, grid, percent, verdicts

Found = dict[str, Any]
BASE = "best judge, one order"


def section(found: Found) -> str:
    """JudgeBench, LLMBar and PandaLM."""
    return "\n\n".join(["## Judges of pairs", _alone(found), "![Agreement of judges and how often they choose the answer shown first](text_judges.png)",
                        _panels(found["judgebench"], found["llmbar"]), _people(found["pandalm"])])


def pooled(judges: Found) -> dict[str, dict[str, float]]:
    """Means over the strategies of each judge, and how many strategies there are."""
    out: dict[str, dict[str, float]] = {}
    for name in dict.fromkeys(key.partition(" | ")[0] for key in judges):
        mine = [one for key, one in judges.items() if key.partition(" | ")[0] == name]
        out[name] = {key: float(np.mean([one[key]["value"] if isinstance(one[key], dict) else one[key] for one in mine])) for key in mine[0]}
        out[name]["strategies"] = len(mine)
    return out


def _alone(found: Found) -> str:
    rows = []
    for name in ("judgebench", "llmbar"):
        for judge, one in sorted(pooled(found[name]["judges"]).items(), key=lambda pair: -pair[1]["mean"]):
            prompts = f", {one['strategies']:.0f} prompts" if one["strategies"] > 1 else ""
            rows.append([f"{judge} ({name}{prompts})",
                         *(f"{100 * one[key]:.1f}" for key in ("first", "second", "mean", "consistent", "front", "agreed", "unread"))])
    return (f"Recorded judges on JudgeBench ({found['judgebench']['pairs']} pairs of gpt-4o's answers, one of them right) and LLMBar ({found['llmbar']['pairs']} pairs, one of which "
            "follows the instruction), each pair shown in both orders. All figures in %; of LLMBar's judges means over their prompts (each prompt stands in text.csv).\n\n"
            + grid(["judge", "agreement, order 1", "order 2", "mean of both", "same verdict in both orders", "chooses the answer shown first",
                    "agreement where both orders agree", "no verdict"], rows)
            + "\n\n*Chooses the answer shown first* is 50% without position bias (each answer is shown first once). Reward models rate each answer by itself and have none.")


def against(bench: Found) -> Found:
    """Differences to the best judge."""
    return {name: gap for name, gap in bench["gaps"].items() if name != BASE}


def marks(bench: Found) -> dict[str, str]:
    """Verdicts on them."""
    gaps = against(bench)
    return dict(zip(gaps, verdicts(list(gaps.values())), strict=True))


def _panels(*benches: Found) -> str:
    names = list(against(benches[0]))
    cells = [differences(list(against(bench).values())) for bench in benches]
    rows = [[BASE, *(x for bench in benches for x in (percent(bench["figures"][BASE]), ""))]]
    for i, name in enumerate(names):
        rows.append([name, *(x for bench, cell in zip(benches, cells, strict=True) for x in (percent(bench["figures"][name]), cell[i]))])
    swaps = [n for n in names if n in benches[0]["orders"]]
    gains = [differences([bench["orders"][n] for n in swaps]) for bench in benches]
    both = grid(["both orders above one order", *(bench["name"] for bench in benches)], [[n.replace(", both orders", ""), *(g[i] for g in gains)] for i, n in enumerate(swaps)])
    return (f"### Both orders, and several judges\n\nPanels are votes of the library over recorded judges, who stand as they did on dev: all judges of a prompting strategy, or the best three. "
            f"On LLMBar mean over the {len(benches[1]['panels'])} strategies that at least five judges share. *Both orders*: each judge is asked twice, so that one who contradicts itself votes once "
            "for each side; of one judge alone it is the mean over the two orders (a contradiction is worth half).\n\n"
            + grid(["", *(x for bench in benches for x in (f"{bench['name']}: agreement, %", "to best judge, one order"))], rows) + "\n\n" + both)


def _people(found: Found) -> str:
    rows = [["one person with another", "–", percent(found["people"]), "–", f"{100 * found['reference']['ties']:.0f}%", f"{100 * found['reference']['first']:.0f}%"]]
    rows += [[name, percent(one["majority"]), percent(one["person"]), percent(one["clear"]), f"{100 * one['ties']:.0f}%", f"{100 * one['first']:.0f}%"]
             for name, one in found["judges"].items()]
    return (f"### Beside people\n\nPandaLM: {found['pairs']} pairs of 7B models' answers, three people each. One order was recorded, so position bias cannot be measured.\n\n"
            + grid(["", "agrees with the majority of three, %", "with one person, %", "with the majority where it is no tie, %", "says tie", "says the first"], rows)
            + "\n\nThe first row's ties and firsts are those of the people's majority.")


def ranked(found: Found) -> str:
    """Aggregations of pairwise verdicts."""
    one, graded = found["pandalm"]["tournaments"], found["graded"]
    rows = [[name, f"{f['value']:.2f} [{f['low']:.2f}, {f['high']:.2f}]"] for name, f in one["wins"].items()]
    return ("### Orders from pairwise verdicts\n\nLLM-Blender orders candidates by max-wins, max-logits (sums of margins) or a bubble pass (N - 1 comparisons name the top). "
            f"On PandaLM {one['questions']} questions have verdicts on all ten pairs of five answers: wins by people's verdicts (of four) of the answer that each order puts first:\n\n"
            + grid(["", "wins of the first, of 4"], rows)
            + "\n\nVerdicts without grades give equal orders by max-wins and max-logits (sums of wins minus losses), so those two rows must be equal. **AlpacaEval's twelve models do not "
            "allow a comparison**: every answer was judged against one baseline, never against another. The differences of those log-odds are a ladder, not comparisons; on it all three name the "
            f"same answer first on {graded['same']} of {graded['questions']} questions, by construction, and the score of that answer is the very number it was ordered by.")
