// The leaderboard: a row for each configuration and description, and what is known of it.

const FEW_METRICS = 4;
const MANY_PARAMETERS = 12;
const MOST_RUNS = 200; // that an open row lists

/** The columns that can be shown beside the name, the runs and the chosen metric, by their id. */
function optionalColumns() {
  const { metrics, varying } = experiment();
  const others = metrics.filter((one) => one !== metric());
  return [...others.map((one) => metricColumn(`m:${one.key}`, one)), ...varying.map((one) => parameterColumn(one))];
}

function metricColumn(id, one) {
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  return {
    id, metric: one, title: one.label, kind: "number",
    value: (row) => (one.has(row) ? one.mean[row] : NaN),
    descendsFirst: higherBetter(one),
    cell: (row) => meanCell(one, row, decimals),
  };
}

function parameterColumn(one) {
  const states = new Set(one.active.length ? statesOf(one) : []);
  const numeric = [...states].every((state) => !state || one.number(state) !== null);
  const value = (row) => {
    const own = experiment().state(one, row);
    return own ? one.number(own) ?? one.text(own) : undefined;
  };
  return {
    id: `p:${one.name}`, title: one.name, kind: numeric ? "number" : "text", value, descendsFirst: false,
    cell: (row) => parameterCell(one, row),
  };
}

function parameterCell(one, row) {
  const own = experiment().state(one, row);
  if (!own) return element("span", { class: "faint" }, one.note(experiment().place(row)));
  const [text, brief] = [one.text(own), cut(valueText(one, own), 28)];
  return element("span", { title: brief === text ? null : text }, brief);
}

const LONG_NUMBER = 9; // letters

/** A value as there is room for: a long number is rounded. */
function valueText(one, own) {
  const text = one.text(own);
  return one.number(own) !== null && text.length > LONG_NUMBER ? compact(one.number(own)) : text;
}

function meanCell(one, row, decimals) {
  if (!one.has(row)) return element("span", { class: "faint" }, "–");
  const [mean, std, n, nan] = [one.mean[row], one.std[row], one.n[row], one.nan[row]];
  const spread = n > 1 || std > 0 ? element("span", { class: "std" }, ` ± ${fixed(std, decimals)}`) : null;
  const badge = nan ? element("span", { class: "badge warning" }, `${nan} NaN`) : null;
  return element("span", { title: `${mean} ± ${std}, n = ${n}` },
    element("span", { class: "mean" }, fixed(mean, decimals)), spread, badge && " ", badge);
}

/** The ids of the columns that are shown. */
function shownColumns() {
  if (state.columns) return state.columns;
  const { metrics, varying } = experiment();
  const chosen = metric();
  const few = metrics.length <= FEW_METRICS;
  const others = metrics.filter((one) => one !== chosen && (few || one.name === chosen.name) && one.split !== "pooled");
  const parameters = varying.slice(0, MANY_PARAMETERS);
  return [...others.map((one) => `m:${one.key}`), ...parameters.map((one) => `p:${one.name}`)];
}

function columns() {
  const wanted = new Set(shownColumns());
  const name = { id: "name", title: "Configuration", kind: "name", value: (row) => experiment().label(row), descendsFirst: false, cell: nameCell };
  const runs = { id: "runs", title: "Runs", kind: "number", value: (row) => experiment().counts.completed[row], descendsFirst: true, cell: runsCell };
  const first = metric() && { ...metricColumn("metric", metric()), kind: "number chosen", cell: chosenCell() };
  return [name, first, runs, ...optionalColumns().filter((one) => wanted.has(one.id))].filter(Boolean);
}

function nameCell(row) {
  const { description } = experiment().rows[row];
  const open = state.open.has(row);
  const button = element("button", {
    type: "button", class: "open", "aria-expanded": String(open), "data-row": row, title: experiment().label(row),
    click: () => toggleOpen(row),
  }, element("span", { class: "name" }, experiment().configuration(row).name));
  const tag = description ? element("span", { class: "tag" }, description) : null;
  return element("span", { class: "named" }, button, tag);
}

function toggleOpen(row) {
  if (!state.open.delete(row)) state.open.add(row);
  renderTable();
  document.querySelector(`#table .open[data-row="${row}"]`)?.focus();
}

function runsCell(row) {
  const { counts } = experiment();
  const badges = ["failed", "interrupted", "running"].filter((status) => counts[status][row]).map((status) =>
    element("span", { class: `badge ${status}` }, `${counts[status][row]} ${status}`));
  return element("span", { class: "runs" }, ...badges, element("span", {}, String(counts.completed[row])));
}

/** The chosen metric with a bar: the mean and its spread on the scale of all rows. */
function chosenCell() {
  const one = metric();
  const decimals = decimalsOf(Array.from(one.mean), Array.from(one.std));
  const scale = barScale(one);
  return (row) => {
    const bar = element("span", { class: "bar-frame", "aria-hidden": "true" });
    if (scale && one.has(row) && Number.isFinite(one.mean[row])) {
      const [low, at, high] = [one.mean[row] - one.std[row], one.mean[row], one.mean[row] + one.std[row]].map(scale);
      const spread = element("span", { class: "spread" });
      spread.style.left = `${low}%`;
      spread.style.width = `${Math.max(high - low, 0)}%`;
      const dot = element("span", { class: "dot" });
      dot.style.left = `${at}%`;
      bar.append(spread, dot);
    }
    return element("span", { class: "chosen-value" }, bar, meanCell(one, row, decimals));
  };
}

/** From a value to its place in percent; the few that are far off are at the ends. */
function barScale(one) {
  const values = ranked().flatMap((row) => (one.has(row) ? [one.mean[row] - one.std[row], one.mean[row] + one.std[row]] : []))
    .filter(Number.isFinite).sort((a, b) => a - b);
  if (!values.length) return null;
  const at = (share) => values[Math.round(share * (values.length - 1))];
  const [low, high] = [at(0.02), at(0.98)];
  return (value) => (high > low ? Math.min(Math.max((value - low) / (high - low), 0), 1) * 100 : 50);
}

// -- the table

function renderTable() {
  const all = columns();
  const rows = sortedRows(all);
  const visible = rows.slice(0, state.limit);
  const body = element("tbody", {});
  for (const row of visible) {
    body.append(tableRow(row, all));
    if (state.open.has(row)) body.append(element("tr", { class: "detail" }, element("td", { colspan: all.length + 3 }, detail(row))));
  }
  if (!rows.length) body.append(element("tr", {}, element("td", { colspan: all.length + 3, class: "empty" }, emptyText())));
  fill(byId("table"), tableHead(all), body);
  const total = experiment().rows.filter((_, row) => isDescribed(row)).length;
  byId("leaderboard-note").textContent = rows.length === total ? counted(total, "row") : `${rows.length} of ${counted(total, "row")}`;
  const rest = rows.length - visible.length;
  byId("more").hidden = rest <= 0;
  byId("more").textContent = `Show ${Math.min(rest, PAGE)} more of ${rest}`;
}

function emptyText() {
  return experiment().rows.length ? "No configuration passes the search and the filters." : "This experiment has no configuration yet.";
}

function sortedRows(all) {
  const column = all.find((one) => one.id === state.sort.column) ?? all.find((one) => one.id === "metric");
  if (!column) return sortedBy(filtered(), (row) => experiment().label(row), false);
  return sortedBy(filtered(), column.value, column.descendsFirst !== state.sort.reversed);
}

function tableHead(all) {
  const cells = all.map((one) => {
    const sorted = state.sort.column === one.id;
    const descending = one.descendsFirst !== state.sort.reversed;
    const order = descending ? "descending" : "ascending";
    const button = element("button", { type: "button", "data-column": one.id, click: () => sortBy(one.id) },
      element("span", { title: one.title }, cut(one.title, 30)),
      element("span", { class: "arrow", "aria-hidden": "true" }, sorted ? (descending ? "▼" : "▲") : ""));
    return element("th", { scope: "col", class: one.kind, "aria-sort": sorted ? order : "none" }, button);
  });
  const plain = (text, hidden, kind) => element("th", { scope: "col", class: kind }, element("span", { class: hidden ? "hidden" : null }, text));
  return element("thead", {}, element("tr", {}, plain("Curve", true, "pick"), plain("#", false, "number rank"), ...withLetters(all, cells, plain("Compare", true, "letters"))));
}

/** The cells with that of the letters A and B behind the number of runs. */
function withLetters(all, cells, letters) {
  const at = all.findIndex((one) => one.id === "runs") + 1;
  return [...cells.slice(0, at), letters, ...cells.slice(at)];
}

function sortBy(column) {
  state.sort = { column, reversed: state.sort.column === column && !state.sort.reversed };
  changed("table");
  document.querySelector(`#table [data-column="${CSS.escape(column)}"]`)?.focus();
}

function tableRow(row, all) {
  const label = experiment().label(row);
  const shown = state.shown.includes(row);
  const pick = element("input", {
    type: "checkbox", checked: shown, "data-row": row, "aria-label": `Show the curves of ${label}`,
    disabled: !shown && (!hasCurves(row) || state.shown.length >= MOST_CURVES), change: () => toggleShown(row),
  });
  const swatch = element("span", { class: "swatch" });
  if (shown) swatch.style.background = look(row).color;
  const place = rank(row);
  const cells = all.map((one) => (one.id === "name" ? element("th", { scope: "row", class: one.kind }, one.cell(row)) : element("td", { class: one.kind }, one.cell(row))));
  return element("tr", { class: shown ? "shown" : null, "data-row": row },
    element("td", { class: "pick" }, element("label", {}, pick, swatch)),
    element("td", { class: "number rank" }, place === undefined ? "–" : String(place)),
    ...withLetters(all, cells, element("td", { class: "letters" }, letterButton(row, 0), letterButton(row, 1))));
}

function letterButton(row, side) {
  const letter = "AB"[side];
  return element("button", {
    type: "button", class: "letter", "aria-pressed": String(state.pair[side] === row), "data-letter": letter,
    "aria-label": `Compare ${experiment().label(row)} as ${letter}`, title: `Compare as ${letter}`,
    click: () => choosePair(side, row),
  }, letter);
}

function choosePair(side, row) {
  state.pair[side] = row;
  state.paired = state.pair.every((one) => one !== null);
  changed("pair");
}

function toggleShown(row) {
  if (state.shown.includes(row)) state.shown = state.shown.filter((one) => one !== row);
  else if (state.shown.length < MOST_CURVES) state.shown = [...state.shown, row];
  state.picked = true;
  changed("shown");
  document.querySelector(`#table input[data-row="${row}"]`)?.focus();
}

// -- an open row

function detail(row) {
  return element("div", { class: "detail-parts" }, parametersOf(row), runsTable(row));
}

function parametersOf(row) {
  const place = experiment().place(row);
  const items = experiment().parameters.filter((one) => one.of[place]).map((one) => {
    const inactive = !one.active[place];
    return element("div", { class: inactive ? "faint" : null }, element("dt", {}, one.name),
      element("dd", {}, one.text(one.of[place]), inactive ? " (does not count)" : ""));
  });
  const { fingerprint } = experiment().configuration(row);
  return element("div", {}, element("h3", {}, "Parameters"), element("dl", { class: "values" }, ...items),
    element("p", { class: "faint fingerprint" }, fingerprint));
}

function runsTable(row) {
  const { runs } = experiment();
  const of = experiment().runsOf(row);
  const keys = [state.metric, ...shownColumns().filter((id) => id.startsWith("m:")).map((id) => id.slice(2))].filter((key) => runs.values.has(key));
  const parameters = runs.parameters.filter((one) => of.some((run) => one.of[run]));
  const head = ["run", ...parameters.map((one) => one.name), "best step", ...keys.map((key) => experiment().byKey.get(key)?.label ?? key), "began", "took"];
  const body = of.slice(0, MOST_RUNS).map((run) => element("tr", {},
    element("td", {}, statusText(run)),
    ...parameters.map((one) => element("td", { class: "number" }, one.of[run] ? one.text(one.of[run]) : "–")),
    element("td", { class: "number" }, short(runs.best_step[run]).replace("NaN", "–")),
    ...keys.map((key) => element("td", { class: "number" }, runs.values.get(key).has(run) ? short(runs.values.get(key).get(run)) : "–")),
    element("td", {}, moment(runs.started[run])), element("td", { class: "number" }, duration(runs.ended[run] - runs.started[run]))));
  const rest = of.length - body.length;
  return element("div", { class: "runs-part" }, element("h3", {}, counted(of.length, "run")),
    of.length ? element("div", { class: "scroll" }, element("table", { class: "plain" }, element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))), element("tbody", {}, ...body))) : element("p", { class: "faint" }, "No run yet."),
    rest > 0 ? element("p", { class: "faint" }, `and ${counted(rest, "run")} more`) : null, indexedNote());
}

function statusText(run) {
  const status = Object.keys(STATUSES)[experiment().runs.status[run]];
  return element("span", { class: `status ${status}`, title: experiment().runs.ids[run] }, mark(status), status);
}

function indexedNote() {
  const indexed = Object.entries(experiment().content.indexed);
  if (!indexed.length) return null;
  const names = indexed.map(([key, most]) => `${key} (${most})`).join(", ");
  return element("p", { class: "faint" }, `Metrics with a value for each example are not shown here: ${names}.`);
}

// -- columns, and parameters that never vary

function renderColumnChoice() {
  const shown = new Set(shownColumns());
  const boxes = optionalColumns().map((one) => {
    const box = element("input", { type: "checkbox", checked: shown.has(one.id), "data-id": one.id, change: () => {
      const now = new Set(shownColumns());
      if (box.checked) now.add(one.id);
      else now.delete(one.id);
      state.columns = [...now];
      changed("table");
    } });
    return element("label", { class: "check" }, box, ` ${one.title}`);
  });
  byId("columns").hidden = !boxes.length;
  fill(byId("columns").querySelector(".sheet"), ...boxes);
}

function renderConstant() {
  const { parameters, varying, content } = experiment();
  const same = content.configurations.length > 1 ? parameters.filter((one) => !varying.includes(one) && one.state(0)) : [];
  byId("constant").hidden = !same.length;
  byId("constant").querySelector("summary").textContent = `${counted(same.length, "parameter")} with one value everywhere`;
  fill(byId("constant").querySelector("dl"), ...same.map((one) => element("div", {}, element("dt", {}, one.name), element("dd", {}, one.text(one.state(0))))));
}
