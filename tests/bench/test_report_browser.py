"""The report in a real browser: it draws, sorts, filters, opens call trees, follows the colour scheme, and fits."""

from __future__ import annotations

import asyncio
import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from consilience.bench import make_plan, run
from tests.bench.scenes import experiment, pool, quiz

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--virtual-time-budget=6000"]

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")

PROBE = """
<script>
const faults = [];
addEventListener("error", (e) => faults.push(String(e.message)));
addEventListener("securitypolicyviolation", (e) => faults.push("blocked " + e.violatedDirective + " " + e.blockedURI));
</script>
"""

SCRIPT = """
<script>
addEventListener("load", () => setTimeout(async () => {
  const out = {}, $ = (s) => document.querySelector(s), all = (s) => [...document.querySelectorAll(s)];
  const pause = () => new Promise((done) => setTimeout(done, 60));
  const names = () => all(".board tbody th").map((c) => c.textContent.trim().split(" ")[0]);
  out.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  out.points = all(".plot .scatterlayer .point").length;
  out.before = names();
  const score = all(".board thead button")[1];
  score.click(); out.ascending = names(); out.sort = score.parentElement.getAttribute("aria-sort");
  score.click(); out.descending = names();
  const who = all(".board thead button")[0], paid = all(".board thead button")[11];
  who.click(); out.alphabet = names();
  const spent = () => all(".board tbody tr").map((row) => row.cells[12].textContent.trim());
  paid.click(); out.dearest = spent(); paid.click(); out.cheapest = spent();
  score.click();
  out.cut = all("main *").filter((e) => !e.closest(".scroll, .plot, #q-list, #q-one") && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 60));
  const board = $(".board").parentElement; out.scrolls = board.scrollWidth - board.clientWidth;
  out.named = all(".annotation-text").map((t) => t.textContent);
  const boxes = all(".annotation-text").map((t) => t.getBoundingClientRect());
  out.covered = boxes.filter((a, i) => boxes.some((b, j) => i < j && a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom)).length;
  out.questions = all(".q").length;
  const list = $("#q-list"), title = () => $("#q-one h3").textContent;
  out.first = title();
  $("#q-why").value = "prompts kept"; $("#q-why").dispatchEvent(new Event("input"));
  out.kept = all(".q").length;
  all("#q-one > details").find((d) => d.textContent.includes("multiagent-refine")).open = true; await pause();
  const leaf = all("#q-one > details[open] > details")[0]; leaf.open = true; await pause();
  out.sent = leaf.querySelector("details.sent").textContent;
  $("#q-why").value = ""; $("#q-why").dispatchEvent(new Event("input"));
  list.focus();
  list.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowDown", bubbles: true}));
  out.second = title();
  for (const key of ["End", "Home", "ArrowDown"]) list.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
  out.again = title(); out.selected = all('.q[aria-selected="true"]').length;
  const vote = all("#q-one > details").find((d) => d.textContent.includes("multiagent-refine"));
  vote.open = true; await pause();
  out.parts = all("#q-one > details[open] > details").map((d) => d.querySelector("summary").textContent);
  const inner = $("#q-one > details[open] > details"); inner.open = true; await pause();
  out.said = inner.querySelector(".said").textContent;
  $("#q-find").value = "question 17:"; $("#q-find").dispatchEvent(new Event("input"));
  out.found = all(".q p").map((p) => p.textContent);
  $("#q-find").value = "nothing like it"; $("#q-find").dispatchEvent(new Event("input"));
  out.none = $("#q-one").textContent;
  out.background = getComputedStyle(document.body).backgroundColor;
  out.faults = faults;
  const pre = document.createElement("pre"); pre.id = "probe"; pre.textContent = JSON.stringify(out);
  document.body.append(pre);
}, 400));
</script>
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out: Path = tmp_path_factory.mktemp("browser")
    plan = make_plan(experiment("majority-vote", "multiagent-refine"), pool=pool(), tasks=[quiz(60)])
    asyncio.run(run(plan, out))
    text = (out / "report.html").read_text()
    (out / "probed.html").write_text(text.replace("</title>", "</title>" + PROBE, 1).replace("</body>", SCRIPT + "</body>"))
    return out / "probed.html"


def look(page: Path, width: int, *flags: str) -> dict[str, Any]:
    assert CHROMIUM is not None
    found = subprocess.run([CHROMIUM, *FLAGS, *flags, f"--user-data-dir={page.parent / f'profile-{width}-{len(flags)}'}",
                            f"--window-size={width},1000", "--dump-dom", page.as_uri()], capture_output=True, text=True,
                           timeout=120)
    match = re.search(r'<pre id="probe">(.*?)</pre>', found.stdout, re.DOTALL)
    assert match, found.stderr[-2000:]
    result: dict[str, Any] = json.loads(html.unescape(match[1]))
    return result


@pytest.mark.timeout(200)
def test_the_report_works_in_a_browser(page: Path) -> None:
    seen = look(page, 1400)
    assert seen["faults"] == [] and seen["overflow"] <= 0
    assert seen["points"] >= 8, "members, controls and methods are drawn"
    assert set(seen["before"]) == set(seen["ascending"]) and seen["descending"][0] == seen["before"][0]
    assert seen["ascending"][0] != seen["descending"][0] and seen["sort"] == "ascending"
    assert seen["alphabet"] == sorted(seen["alphabet"]) and seen["scrolls"] <= 0, "all columns are in sight"
    assert seen["dearest"] == seen["cheapest"][::-1] or seen["dearest"][-1] == seen["cheapest"][-1] == "unknown"
    assert seen["cut"] == [] and seen["covered"] == 0 and {"high", "majority-vote"} <= set(seen["named"])
    assert seen["questions"] == 60 and seen["first"] != seen["second"] == seen["again"] and seen["selected"] == 1
    assert seen["kept"] == 6 and seen["sent"].startswith("what was sentusertest question ")
    assert len(seen["parts"]) >= 3 and any("refine" in part or "answer" in part for part in seen["parts"])
    assert "low" in seen["parts"][0] and "tokens" in seen["parts"][0] and seen["said"].startswith("Answer:")
    assert seen["found"] == ["test question 17: which?"] and "No question fits" in seen["none"]


@pytest.mark.timeout(200)
def test_it_fits_a_narrow_window_and_follows_the_dark_scheme(page: Path) -> None:
    light, dark = look(page, 500), look(page, 500, "--blink-settings=preferredColorScheme=0")
    assert light["faults"] == [] and light["overflow"] <= 0 and light["points"] >= 8 and light["cut"] == []
    assert light["background"] != dark["background"]
