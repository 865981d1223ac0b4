"""The report's words and numbers, without a browser."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from consilience.bench import make_plan, report, run
from consilience.bench.leaderboard import Standing, verdict
from consilience.bench.report import numbers, publish
from consilience.bench.report.browser import QUESTIONS, browser
from consilience.bench.report.figures import costs, front
from consilience.bench.report.views import task_view
from consilience.bench.results import prompted
from consilience.bench.statistics import Interval
from consilience.bench.table import Column, TaskTable, read_source, tables
from tests.bench.scenes import experiment, pool, quiz


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("report")
    plan = make_plan(experiment("majority-vote", "multiagent-refine"), pool=pool(), tasks=[quiz(400, dev=60)])
    asyncio.run(run(plan, out))
    return out


def embedded(page: str) -> Any:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_page_asks_for_nothing_from_outside(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    own = page.replace(next(iter(re.findall(r"<script>/\*.*?</script>", page, re.DOTALL)), ""), "")
    assert "default-src 'none'" in own
    assert not re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', own), "no address but anchors in this page"
    assert not re.search(r"@import|url\(\s*['\"]?https?:", own)


def test_findings_say_plainly_what_is_shown_and_what_is_not(folder: Path) -> None:
    page = (folder / "report.html").read_text()
    assert "The best single member, chosen on dev, is high" in page
    assert "No method is shown to be better than it" in page or "shown to be better than it. The highest" in page
    assert verdict(0.1, Interval(0.05, 0.15), 0.01) == "better"
    assert verdict(-0.1, Interval(-0.15, -0.05), 0.01) == "worse"
    assert verdict(0.1, Interval(0.05, 0.15), 0.05) == "no difference shown"
    assert verdict(0.1, Interval(0.0, 0.15), 0.01) == "no difference shown"


def test_findings_name_the_methods_that_are_worse() -> None:
    table = TaskTable("t", ["1", "2"], ["", ""], ["1", "2"], best="m")
    table.columns.append(Column("m", "member", "member", False, Path(), {"score": np.ones(2)}, ["", ""]))
    lines = [replace(standing("m", 1.0), kind="member"), *(replace(standing(name, 1.0), verdict="worse") for name in "abcdef")]
    said = task_view(table, lines).findings
    assert "No method is shown to be better than it." in said
    assert "6 of 6 methods are shown to be worse than it: a, b, c, d and 2 more." in said
    assert "1 of 1 methods is shown to be worse than it: a." in task_view(table, lines[:2]).findings


def test_differences_are_to_the_member_chosen_on_dev_and_adjusted_over_methods(folder: Path) -> None:
    board = {line.method: line for line in publish([folder])[1]}
    assert {line.reference for line in board.values()} == {"high"}
    vote = board["majority-vote"]
    assert vote.difference == pytest.approx(vote.score - board["high"].score)
    assert vote.diff_low is not None and vote.diff_high is not None and vote.difference is not None
    assert vote.diff_low <= vote.difference <= vote.diff_high and vote.ci_low < vote.score < vote.ci_high
    assert vote.p is not None and vote.p_adjusted is not None and vote.p_adjusted >= vote.p
    assert board["low"].p_adjusted is None and board["high"].verdict == "the best single member"


def test_the_browser_holds_a_bounded_sample_and_says_so(folder: Path) -> None:
    data = embedded((folder / "report.html").read_text())
    assert len(data["questions"]) == QUESTIONS and data["total"] == 400
    whys = {q["w"] for q in data["questions"]}
    assert {"only a team", "some team lost it"} <= whys or "some team lost it" in whys
    one = data["questions"][0]
    answer = next(a for a in one["a"] if a[0] == "majority-vote")
    tree = data["replies"][answer[3]]
    parts = [data["replies"][i] for i in tree[8]]
    assert {p[0] for p in parts} <= {"low", "middle", "high"} and tree[4][0] == len(parts) >= 2
    drafts = {data["replies"][next(a for a in one["a"] if a[0] == name)[3]][2] for name in ("low", "middle", "high")}
    assert {p[2] for p in parts} <= drafts


def test_prompts_are_kept_of_a_few_questions_that_the_page_shows(folder: Path) -> None:
    """Traces must hardly grow: a question in ten, 24 of a task at most, the same ones for everybody."""
    def sent(reply: dict[str, Any]) -> list[Any]:
        return [*reply.get("prompt", ()), *(m for part in reply.get("parts", ()) for m in sent(part))]

    lines = [json.loads(line) for line in (folder / "traces.jsonl").read_text().splitlines()]
    by_method: dict[str, set[str]] = {}
    for line in lines:
        if sent(line["reply"]):
            by_method.setdefault(line["method"], set()).add(line["id"])
    ids = [line["id"] for line in lines if line["method"] == "high"]
    assert len(ids) == 400 and set(map(frozenset, by_method.values())) == {frozenset(prompted(ids))} and len(prompted(ids)) == 24
    assert {"high", "majority-vote", "multiagent-refine"} <= by_method.keys() and len(prompted(ids[:9])) == 1
    data = embedded((folder / "report.html").read_text())
    shown = {q["i"]: q for q in data["questions"]}
    assert by_method["high"] <= shown.keys()
    one = next(a for a in shown[min(by_method["high"])]["a"] if a[0] == "multiagent-refine")
    texts = [data["prompts"][data["replies"][part][11]][-1][1] for part in data["replies"][one[3]][8]]
    assert any("What others say" in text for text in texts) and len(set(map(str, data["prompts"]))) == len(data["prompts"])


def standing(method: str, cost: float | None, tokens: int = 0, calls: int = 10) -> Standing:
    return Standing(method, "method", "text", "t", 10, 0.5, 0.4, 0.6, "", None, None, None, None, None, "", 0.0, 0, 0, calls, calls,
                    tokens, 0, tokens, cost, 0.0, None, None)


def test_the_cost_axis_is_in_a_unit_that_can_be_read() -> None:
    dear, cheap = costs([standing("a", 1.0), standing("b", 90.0)]), costs([standing("a", 4e-5), standing("b", 1e-3)])
    assert (dear.title, dear.write(0.1), dear.write(9.0), dear.write(1234.0)) == ("US dollars per question", "$0.100", "$9.00", "$1,234")
    assert cheap.title == "US dollars per 1,000 questions" and cheap.log and cheap.values["b"] == pytest.approx(0.1)
    assert [text for _, text, _ in cheap.ticks()] == ["$0.005", "$0.01", "$0.02", "$0.05", "$0.1"]
    assert [whole for *_, whole in cheap.ticks()] == [False, True, False, False, True]
    assert costs([standing("a", 1e-7)]).title == "US dollars per million questions"


def test_where_prices_are_unknown_tokens_stand_on_the_axis_and_else_calls() -> None:
    tokens = costs([standing("a", None, 1000), standing("b", 1.0, 70_000)])
    assert tokens.title == "tokens per question" and tokens.log and [t for _, t, _ in tokens.ticks()] == [
        "100", "200", "500", "1,000", "2,000", "5,000", "10,000"]
    calls = costs([standing("a", None, calls=10), standing("b", 0.0, calls=30)])
    assert calls.title == "calls per question" and calls.values == {"a": 1.0, "b": 3.0} and not calls.log
    assert costs([standing("a", 0.0, 10), standing("b", 0.0, 0)]).log is False, "nothing has no place on a log axis"
    figure = front([standing("a", 1.0), replace(standing("b<i>", 90.0), kind="control"), standing("c", 80.0)])
    assert [spot["name"] for spot in figure["spots"]] == ["a", "c", "b<i>"]
    assert figure["data"][1]["hovertext"] == ["b&lt;i&gt;<br>50.0% [40.0, 60.0]<br>$9.00 per question"]


def test_text_of_models_cannot_break_out_of_the_page(tmp_path: Path) -> None:
    from tests.members import Scripted

    evil = Scripted("evil", ["</script><script>alert(1)</script> Answer: A"])
    other = Scripted("<b>bold</b>", ["Answer: B"])
    asyncio.run(run(make_plan(experiment("majority-vote"), pool=[evil, other], tasks=[quiz(6)]), tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "<script>alert" not in page and "<b>bold" not in page
    assert any("alert(1)" in (r[2] or "") for r in embedded(page)["replies"])


def test_without_plotly_the_page_names_the_extra_and_keeps_the_rest(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    page = report([folder], folder / "plain.html").read_text()
    assert "consilience[report]" in page and len(page) < 2_000_000
    assert "majority-vote" in page and embedded(page)["questions"]


def test_small_questions_sets_are_whole(tmp_path: Path) -> None:
    asyncio.run(run(make_plan(experiment("majority-vote"), pool=pool(), tasks=[quiz(9)]), tmp_path))
    assert len(browser(tables([read_source(tmp_path)]), [tmp_path])["questions"]) == 9


def test_text_has_contrast_in_both_schemes() -> None:
    """WCAG AA: 4.5 for text, on a plain ground, on the best member's row and on the strongest field of the heat map."""
    css = resources.files("consilience.bench.report").joinpath("style.css").read_text(encoding="utf-8")

    def light(color: Sequence[float]) -> float:
        return sum(w * (v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4) for w, v in zip((0.2126, 0.7152, 0.0722), color, strict=True))

    def contrast(a: Sequence[float], b: Sequence[float]) -> float:
        low, high = sorted((light(a), light(b)))
        return (high + 0.05) / (low + 0.05)

    def over(a: Sequence[float], b: Sequence[float], share: float) -> list[float]:
        return [x * share + y * (1 - share) for x, y in zip(a, b, strict=True)]

    for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL):
        color = {name: [int(value[i:i + 2], 16) / 255 for i in (0, 2, 4)] for name, value in re.findall(r"--(\w+): #(\w{6})", block)}
        heat = [int(v) / 255 for v in re.search(r"--heat: ([\d ]+)", block)[1].split()]  # type: ignore[index]
        strength = float(re.search(r"--strength: ([\d.]+)", block)[1])  # type: ignore[index]
        best, chosen = over(color["member"], color["panel"], 0.10), over(color["accent"], color["panel"], 0.16)
        pairs = [*((name, color["panel"]) for name in ("ink", "soft", "accent", "good", "bad")), ("soft", color["bg"]), ("soft", chosen),
                 ("ink", over(heat, color["panel"], strength)), ("member", best), ("soft", best)]
        assert [(name, round(contrast(color[name], ground), 1)) for name, ground in pairs if contrast(color[name], ground) < 4.5] == []


def test_numbers_are_written_for_people() -> None:
    assert [numbers.percent(0.934), numbers.percent(None), numbers.points(-0.0123)] == ["93.4%", "–", "−1.2"]
    assert [numbers.money(x) for x in (None, 0, 12.5, 0.0123, 4.4e-7)] == ["unknown", "$0", "$12.50", "$0.0123", "$0.000000440"]
    assert [numbers.p_value(x) for x in (0.0004, 0.0312, 1.0)] == ["<.001", ".031", "1"]
    assert [numbers.count(x) for x in (12345, 8.66, 3.0)] == ["12,345", "8.7", "3"]
