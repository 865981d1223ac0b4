"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);

  /* Tables: a column head sorts; the second press turns the order round. */
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const button = head.querySelector("button");
      if (!button) return;
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") !== "descending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (row) => row.cells[column].dataset.v;
        const rows = [...table.tBodies[0].rows].sort((a, b) => {
          const x = value(a), y = value(b);
          const order = x === undefined ? a.cells[column].textContent.trim().localeCompare(b.cells[column].textContent.trim())
            : (Number.isNaN(+x) ? -1e99 : +x) - (Number.isNaN(+y) ? -1e99 : +y);
          return down ? -order : order;
        });
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
      const narrow = place.clientWidth < 560;
      for (const trace of figure.data) {
        const ink = colour(trace.role === "front" ? "soft" : trace.role);
        if (trace.role === "front") Object.assign(trace.line, {color: ink, dash: "dot"});
        else {
          Object.assign(trace.marker, {color: ink}); trace.marker.line.color = ink;
          trace.error_y.color = ink; trace.textfont = {color: colour("ink"), size: 12};
          if (narrow) trace.mode = "markers";
        }
      }
      const axis = {gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("soft"), automargin: true};
      window.Plotly.react(place, figure.data, {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: {color: colour("ink"), family: "system-ui, sans-serif"},
        margin: {t: 16, r: 20, b: 52, l: 52}, hovermode: "closest",
        xaxis: {...axis, title: {text: figure.x}, type: figure.log ? "log" : "linear", exponentformat: "none",
          dtick: figure.log ? (narrow ? 1 : "D2") : undefined, minexponent: 9},
        yaxis: {...axis, title: {text: figure.y}, rangemode: "tozero"},
        legend: {orientation: "h", y: 1.08, x: 0}, hoverlabel: {bgcolor: colour("panel"), font: {color: colour("ink")}},
      }, {responsive: true, displaylogo: false, displayModeBar: false});
    }
  };
  if (window.Plotly && $("figures")) { draw(); dark.addEventListener("change", draw); }

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
  const fill = (select, values) => {
    for (const value of values) select.append(make("option", value));
    if (!values.length) select.parentElement.hidden = true;
  };
  const distinct = (values) => [...new Set(values.filter(Boolean))].sort();
  fill($("q-task"), data.tasks.length > 1 ? data.tasks : []);
  fill($("q-skill"), distinct(data.questions.map((q) => q.s)));
  fill($("q-wrong"), distinct(data.questions.flatMap((q) => q.a.map((a) => a[0]))));
  let shown = [], at = -1;

  const filter = () => {
    const find = $("q-find").value.trim().toLowerCase(), task = $("q-task").value, skill = $("q-skill").value;
    const why = $("q-why").value, wrong = $("q-wrong").value;
    shown = data.questions.filter((q) => (!task || q.t === task) && (!skill || q.s === skill) && (!why || q.w === why)
      && (!find || (q.i + " " + q.q).toLowerCase().includes(find))
      && (!wrong || q.a.some((a) => a[0] === wrong && a[2] < 0.5)));
    list.replaceChildren(...shown.map((q, place) => {
      const item = make("div", undefined, "q");
      item.id = "q-" + place;
      item.setAttribute("role", "option");
      const line = make("small");
      line.append(make("span", q.s || q.t), make("span", q.w || ""));
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
    const step = {ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10}[event.key];
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
    const told = [calls !== 1 ? `${number(calls)} calls` : "", `${number(prompt)} + ${number(completion)} tokens`, `${reply[5].toFixed(2)} s`];
    if (typeof reply[6] === "number") told.push("$" + reply[6].toPrecision(2));
    return make("span", told.filter(Boolean).join(" · "), "meta");
  };
  const story = (reply) => {
    const nodes = [];
    if (reply[2] !== null) nodes.push(make("div", reply[2] || "(empty)", "said"));
    if (reply[10] && Object.keys(reply[10]).length) nodes.push(make("p", "decided: " + JSON.stringify(reply[10]), "note"));
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
