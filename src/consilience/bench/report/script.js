"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);

  /* Tables: a column head sorts; a number's largest first; the second press turns the order round. */
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const rows = [...table.tBodies[0].rows], numbers = rows.some((row) => row.cells[column].dataset.v !== undefined);
        const was = head.getAttribute("aria-sort"), down = was ? was === "ascending" : numbers;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const number = (row) => parseFloat(row.cells[column].dataset.v), text = (row) => row.cells[column].textContent.trim();
        const known = (row) => !numbers || !Number.isNaN(number(row));
        rows.sort((a, b) => known(b) - known(a)      // what is unknown comes last, whichever way
          || (down ? -1 : 1) * (numbers ? (known(a) && number(a) - number(b)) : text(a).localeCompare(text(b))));
        table.tBodies[0].append(...rows);
      });
    });
  }

  /* Plots: colours follow the page. */
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const draw = () => {
    const css = getComputedStyle(document.documentElement);
    const colour = (name) => css.getPropertyValue("--" + name).trim();
    const figures = JSON.parse($("figures").textContent);
    for (const place of document.querySelectorAll(".plot")) {
      const figure = figures[+place.dataset.figure];
      for (const trace of figure.data) {
        const ink = colour(trace.role === "front" ? "soft" : trace.role);
        if (trace.role === "front") Object.assign(trace.line, {color: ink, dash: "dot"});
        else {
          Object.assign(trace.marker, {color: ink}); trace.marker.line.color = ink;
          trace.error_y.color = ink;
        }
      }
      const axis = {gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("soft"), automargin: true};
      window.Plotly.react(place, figure.data, {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: {color: colour("ink"), family: "system-ui, sans-serif"},
        margin: {t: 10, r: 20, b: 52, l: 52}, hovermode: "closest", showlegend: false,
        xaxis: {...axis, title: {text: figure.x}, ...(figure.log ? logarithmic(figure.ticks, place.clientWidth)
          : {rangemode: "tozero", tickprefix: figure.sign, exponentformat: "none", nticks: Math.floor(place.clientWidth / 80)})},
        yaxis: {...axis, title: {text: figure.y}, rangemode: "tozero"},
        hoverlabel: {bgcolor: colour("panel"), font: {color: colour("ink")}},
      }, {responsive: true, displaylogo: false, displayModeBar: false}).then(() => name(place, figure, colour("ink")));
    }
  };
  /* As many ticks as there is room for: 1, 2, 5, 10, or the powers of ten alone. */
  const logarithmic = (ticks, width) => {
    const whole = ticks.filter((tick) => tick[2]);
    const shown = ticks.length * 75 < width || whole.length < 2 ? ticks : whole;
    return {type: "log", tickmode: "array", tickvals: shown.map((tick) => tick[0]), ticktext: shown.map((tick) => tick[1])};
  };
  /* Names beside the points, the most telling first, wherever one fits without covering anything; the others show on hover. */
  const name = (place, figure, ink) => {
    const {xaxis, yaxis, _size: size} = place._fullLayout, pen = document.createElement("canvas").getContext("2d"), high = 14;
    pen.font = "12px system-ui, sans-serif";
    const spots = figure.spots.map((spot) => ({...spot, left: xaxis.d2p(spot.x), down: yaxis.d2p(spot.y),
      top: yaxis.d2p(spot.high), bottom: yaxis.d2p(spot.low)}));
    const taken = spots.flatMap((s) => [[s.left - 7, s.down - 7, s.left + 7, s.down + 7], [s.left - 3, s.top, s.left + 3, s.bottom]]);
    const front = figure.data[0].x.map((x, i) => [xaxis.d2p(x), yaxis.d2p(figure.data[0].y[i])]);
    front.slice(1).forEach(([x, y], i) => taken.push([front[i][0], front[i][1] - 2, x, front[i][1] + 2], [x - 2, y, x + 2, front[i][1]]));
    const free = ([a, b, c, d]) => a >= 0 && b >= 0 && c <= size.w && d <= size.h
      && !taken.some((box) => a < box[2] && box[0] < c && b < box[3] && box[1] < d);
    const notes = [];
    for (const s of spots) {
      const wide = pen.measureText(s.name).width + 4, right = s.left + 9, left = s.left - 9 - wide;
      const box = [-7, -17, 4].flatMap((y) => [[right, s.down + y], [left, s.down + y]])
        .map(([x, y]) => [x, y, x + wide, y + high]).find(free);
      if (!box) continue;
      taken.push(box);
      notes.push({x: figure.log ? Math.log10(s.x) : s.x, y: s.y, xshift: box[0] - s.left, yshift: s.down - box[1], text: s.name.replaceAll("&", "&amp;").replaceAll("<", "&lt;"),
        xanchor: "left", yanchor: "top", showarrow: false, borderpad: 0, font: {size: 12, color: ink}});
    }
    window.Plotly.relayout(place, {annotations: notes});
  };
  if (window.Plotly && $("figures")) {
    let waiting = 0;
    draw();
    dark.addEventListener("change", draw);
    window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(draw, 200); });
  }

  /* Single questions. */
  const make = (tag, text, name) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (name) node.className = name;
    return node;
  };
  const number = (x) => x.toLocaleString("en");
  const list = $("q-list"), one = $("q-one");
  $("sample-note").textContent = data.questions.length < data.total
    ? `${number(data.questions.length)} of ${number(data.total)} questions are kept in this page: some that only a team answered, some that a team lost, the others at random. All of them lie in results.jsonl and traces.jsonl.`
    : `All ${number(data.total)} questions.`;
  const sent = (place) => data.replies[place][11] >= 0 || data.replies[place][8].some(sent);
  for (const q of data.questions) q.sent = data.prompts.length > 0 && q.a.some((a) => a[3] >= 0 && sent(a[3]));
  if (data.prompts.length)
    $("sample-note").textContent += ` Of ${number(data.questions.filter((q) => q.sent).length)} there is also what each model was really sent: choose “prompts kept” among the outcomes.`;
  const fill = (select, values) => {
    for (const value of values) select.append(make("option", value));
    if (!values.length) select.parentElement.hidden = true;
  };
  const distinct = (values) => [...new Set(values.filter(Boolean))].sort();
  fill($("q-why"), [...distinct(data.questions.map((q) => q.w)), ...(data.prompts.length ? ["prompts kept"] : [])]);
  fill($("q-task"), data.tasks.length > 1 ? data.tasks : []);
  fill($("q-skill"), distinct(data.questions.map((q) => q.s)));
  fill($("q-wrong"), distinct(data.questions.flatMap((q) => q.a.map((a) => a[0]))));
  let shown = [], at = -1;

  const filter = () => {
    const find = $("q-find").value.trim().toLowerCase(), task = $("q-task").value, skill = $("q-skill").value;
    const why = $("q-why").value, wrong = $("q-wrong").value;
    shown = data.questions.filter((q) => (!task || q.t === task) && (!skill || q.s === skill) && (!why || (why === "prompts kept" ? q.sent : q.w === why))
      && (!find || (q.i + " " + q.q).toLowerCase().includes(find))
      && (!wrong || q.a.some((a) => a[0] === wrong && a[2] < 0.5)));
    list.replaceChildren(...shown.map((q, place) => {
      const item = make("div", undefined, "q");
      item.id = "q-" + place;
      item.setAttribute("role", "option");
      const line = make("small");
      line.append(make("span", q.s || q.t), make("span", [q.sent ? "prompts kept" : "", q.w].filter(Boolean).join(" · ")));
      item.append(make("p", q.q || q.i), line);
      item.addEventListener("click", () => select(place));
      return item;
    }));
    if (shown.length) select(0); else one.replaceChildren(make("p", "No question fits.", "note"));
  };

  const select = (place) => {
    at = place;
    for (const item of list.children) item.setAttribute("aria-selected", "false");
    const item = list.children[place];
    item.setAttribute("aria-selected", "true");
    list.setAttribute("aria-activedescendant", item.id);
    const top = item.offsetTop - list.offsetTop;
    if (top < list.scrollTop || top + item.offsetHeight > list.scrollTop + list.clientHeight)
      list.scrollTop = top - list.clientHeight / 3;
    show(shown[place]);
  };
  list.addEventListener("keydown", (event) => {
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity}[event.key];
    if (step === undefined || !shown.length) return;
    event.preventDefault();
    select(Math.max(0, Math.min(shown.length - 1, at + step)));
  });

  const GROUPS = [["method", "Methods"], ["member", "Single members"], ["control", "Controls"]];
  const show = (q) => {
    one.replaceChildren(make("h3", q.i), make("p", [q.t, q.s, q.w].filter(Boolean).join(" · "), "note"),
      make("div", q.q || "(the text of the question was not kept)", "asked"));
    const reference = make("p");
    reference.append(make("b", "Reference: "), make("span", q.r.join(" or ") || "none", "reading"));
    one.append(reference);
    for (const [kind, title] of GROUPS) {
      const answers = q.a.filter((a) => a[1] === kind);
      if (!answers.length) continue;
      one.append(make("h4", title));
      for (const answer of answers) one.append(line(answer));
    }
    one.scrollTop = 0;
  };
  const line = ([name, , score, tree, failed]) => {
    const box = make("details"), head = make("summary");
    const good = score >= 0.5;
    const text = failed ? "none" : score > 0 && score < 1 ? score.toFixed(2) : good ? "right" : "wrong";
    head.append(make("span", text, "verdict " + (good ? "right" : "wrong")), make("span", name + " "));
    const reply = tree >= 0 ? data.replies[tree] : null;
    if (reply) head.append(reading(reply), meta(reply));
    else head.append(make("span", failed ? "nobody answered" : "", "meta"));
    box.append(head);
    box.addEventListener("toggle", () => { if (box.open && box.children.length === 1 && reply) box.append(...story(reply)); });
    return box;
  };
  const reading = (reply) => make("span", reply[3] === null || reply[3] === undefined ? (reply[2] === null ? "" : "unread") : "→ " + reply[3], "reading");
  const meta = (reply) => {
    const [calls, prompt, completion] = reply[4];
    const told = [calls !== 1 ? `${number(calls)} calls` : "", prompt + completion ? `${number(prompt)} + ${number(completion)} tokens` : "",
      reply[5] ? (reply[5] < 0.1 ? `${+(1000 * reply[5]).toPrecision(2)} ms` : `${number(+reply[5].toFixed(1))} s`) : ""];
    if (typeof reply[6] === "number") told.push("$" + (reply[6] ? reply[6].toFixed(Math.min(12, Math.max(2, 1 - Math.floor(Math.log10(reply[6]))))) : 0));
    return make("span", told.filter(Boolean).join(" · "), "meta");
  };
  const story = (reply) => {
    const nodes = [];
    if (reply[11] >= 0) {
      const box = make("details", undefined, "sent");
      box.append(make("summary", "what was sent"));
      for (const [role, text, name] of data.prompts[reply[11]])
        box.append(make("p", name ? `${name}, ${role}` : role, "note"), make("div", text, "asked"));
      nodes.push(box);
    }
    if (reply[2] !== null) nodes.push(make("div", reply[2] || "(empty)", "said"));
    if (reply[10] && Object.keys(reply[10]).length) {
      const told = Object.entries(reply[10]).map(([key, value]) => `${key}: ${typeof value === "string" ? value : JSON.stringify(value)}`);
      nodes.push(make("p", "decided: " + told.join(" · "), "note"));
    }
    for (const gone of reply[9]) nodes.push(make("p", "absent: " + gone, "note"));
    for (const part of reply[8]) {
      const inner = data.replies[part], box = make("details"), head = make("summary");
      head.append(make("span", `${inner[0]} · ${inner[1] || "answer"}${inner[7] ? " · draw " + inner[7] : ""} `), reading(inner), meta(inner));
      if (inner[2] !== null && inner[2] === reply[2]) head.append(make("span", " same text as the answer", "chosen"));
      box.append(head);
      box.addEventListener("toggle", () => { if (box.open && box.children.length === 1) box.append(...story(inner)); });
      nodes.push(box);
    }
    return nodes;
  };

  for (const id of ["q-find", "q-task", "q-skill", "q-why", "q-wrong"]) $(id).addEventListener("input", filter);
  filter();
})();
