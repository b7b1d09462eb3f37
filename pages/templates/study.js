// The page of a study: designs against each other, one of them pinned, and what the search learned.

const { axes, points, parameters, series } = DATA;
const FEASIBLE = 0, SURROGATE = 3;
const count = points.number.length;
const front = new Set(DATA.front);
const state = { x: 0, y: 0, logx: true, logy: true, color: "", pinned: DATA.best ?? DATA.nearest ?? 0, at: -1 };

const value = (axis, i) => points.metrics[axis][i];
const number = (i) => `#${points.number[i]}`;
const setting = (p, i) => { const level = points.values[p][i]; return level < 0 ? "–" : String(parameters[p].values[level]); };
const withUnit = (p, text) => parameters[p].unit && text !== "–" ? `${text}${NARROW}${parameters[p].unit}` : text;
const about = (p) => p.about ? `${p.name}: ${p.about}` : p.name;
const isFeasible = (i) => points.state[i] === FEASIBLE;

// --- scatter -----------------------------------------------------------------------------------------------------
const scatterBox = byId("scatter");
let area = null, visible = [], walk = [];

function spans(axis) {
  let low = Infinity, high = 0;
  for (const v of points.metrics[axis]) if (v !== null) { if (v < low) low = v; if (v > high) high = v; }
  return low > 0 && high / low >= 8;
}

function frontOf(x, y) { // by the two axes shown, among feasible designs; empty where a direction is unknown
  const bx = axes[x].better, by = axes[y].better;
  if (!bx || !by || x === y) return [];
  const order = [];
  for (let i = 0; i < count; i++) if (isFeasible(i) && value(x, i) !== null && value(y, i) !== null) order.push(i);
  order.sort((a, b) => bx * (value(x, b) - value(x, a)) || by * (value(y, b) - value(y, a)));
  let best = -Infinity;
  return order.filter((i) => { const level = by * value(y, i); if (level <= best) return false; best = level; return true; });
}

function colorsOf() {
  if (state.color === "agent") return { of: (i) => `var(--c${points.series[i] % 8})`, entries: series.map((s, k) => ({ label: s.name, color: `var(--c${k % 8})`, round: true })) };
  if (state.color === "") return { of: () => "var(--accent)", entries: [{ label: "feasible design", color: "var(--accent)", round: true }] };
  const p = Number(state.color), { values, ordered } = parameters[p];
  const shade = (level) => ordered ? `var(--r${values.length > 1 ? Math.round(level / (values.length - 1) * 6) : 3})` : `var(--c${level % 8})`;
  const every = values.length <= 12 ? 1 : Math.ceil((values.length - 1) / 6);
  return { of: (i) => points.values[p][i] < 0 ? "var(--out)" : shade(points.values[p][i]),
    entries: values.map((v, level) => ({ label: withUnit(p, String(v)), color: shade(level), round: true })).filter((_, level) => level % every === 0) };
}

function drawScatter() {
  const { x, y } = state;
  visible = [];
  for (let i = 0; i < count; i++) {
    const a = value(x, i), b = value(y, i);
    if (a !== null && b !== null && (!state.logx || a > 0) && (!state.logy || b > 0)) visible.push(i);
  }
  const base = DATA.baseline && DATA.baseline.metrics[x] !== null && DATA.baseline.metrics[y] !== null ? DATA.baseline : null;
  const reach = (axis) => [...visible.map((i) => value(axis, i)), ...(base ? [base.metrics[axis]] : [])];
  const describe = (axis, log) => ({ values: reach(axis), quantity: axes[axis], log, title: capital(axes[axis].label), better: axes[axis].better });
  area = plot(scatterBox, { x: describe(x, state.logx), y: describe(y, state.logy), top: 30, bottom: 46 });
  const { xs, ys, layer } = area;
  const place = (i) => [xs.map(value(x, i)), ys.map(value(y, i))];
  const members = frontOf(x, y);
  walk = (members.length > 1 ? [...members] : visible.filter(isFeasible)).sort((a, b) => value(x, a) - value(x, b));
  const colors = colorsOf(), groups = new Map();
  for (const i of visible) {
    const color = isFeasible(i) ? colors.of(i) : "var(--out)";
    if (!groups.has(color)) groups.set(color, []);
    groups.get(color).push(place(i));
  }
  const size = visible.length > 1500 ? 4.4 : visible.length > 300 ? 5.4 : 7;
  for (const [color, places] of [...groups].sort(([a]) => (a === "var(--out)" ? -1 : 1))) layer.append(dots(places, size, color, color === "var(--out)" ? 0.75 : state.color === "" ? 0.55 : 0.85));
  if (members.length > 1) layer.append(svg("path", { class: "frontline", d: steps(members.map(place)) }));
  const seen = new Set(visible), ahead = new Set(members), others = DATA.front.filter((i) => seen.has(i) && !ahead.has(i));
  const member = (i, fill, r) => { const [cx, cy] = place(i); layer.append(paint(svg("circle", { class: "member", cx, cy, r }), { fill })); };
  others.forEach((i) => member(i, state.color === "" ? "var(--bg)" : colors.of(i), 3.6));
  members.forEach((i) => member(i, state.color === "" ? "var(--front)" : colors.of(i), 4.4));
  if (base) {
    const bx = xs.map(base.metrics[x]), by = ys.map(base.metrics[y]), right = bx > area.width - 110;
    layer.append(paint(svg("path", { class: "mark", d: `M${bx} ${by - 6.5}l6.5 6.5l-6.5 6.5l-6.5 -6.5z` }), { fill: "var(--faint)" }),
      svg("text", { class: "on", x: right ? bx - 11 : bx + 11, y: by + 4, "text-anchor": right ? "end" : "start" }, "default design"));
  }
  area.rings = svg("g");
  layer.append(area.rings);
  const entries = visible.some(isFeasible) ? [...colors.entries] : [];
  if (members.length > 1) entries.push({ label: others.length ? "on the front of these two" : "on the front", color: "var(--front)", round: true });
  if (others.length && DATA.terms.length > 1) entries.push({ label: "on the front of the objectives", color: "var(--front)", round: true, hollow: true });
  if (visible.some((i) => !isFeasible(i))) entries.push({ label: "not feasible", color: "var(--out)", round: true });
  legend(byId("scatter-legend"), entries);
  drawRings();
}

function drawRings() {
  area.rings.replaceChildren();
  for (const i of new Set([state.pinned, state.at])) {
    if (i < 0 || value(state.x, i) === null || value(state.y, i) === null) continue;
    const cx = area.xs.map(value(state.x, i)), cy = area.ys.map(value(state.y, i));
    if (!Number.isFinite(cx) || !Number.isFinite(cy)) continue;
    area.rings.append(svg("circle", { class: "halo", cx, cy, r: 9 }), svg("circle", { class: "ring", cx, cy, r: i === state.pinned ? 9 : 7 }));
  }
}

function nearest(event) {
  const frame = scatterBox.getBoundingClientRect(), px = event.clientX - frame.left, py = event.clientY - frame.top;
  let found = -1, least = (event.pointerType === "touch" ? 34 : 22) ** 2;
  for (const i of visible) {
    const dx = area.xs.map(value(state.x, i)) - px, dy = area.ys.map(value(state.y, i)) - py;
    const distance = (dx * dx + dy * dy) * (front.has(i) ? 0.5 : 1);
    if (distance < least) { least = distance; found = i; }
  }
  return found;
}

function summary(i) {
  const wanted = [...new Set([state.x, state.y, ...DATA.terms])];
  const who = series.length > 1 ? ` · ${series[points.series[i]].name}` : "";
  return [
    html("div", {}, html("b", {}, `Design ${number(i)}`), html("span", { class: "dim" }, who)),
    ...(points.state[i] ? [html("div", { class: "dim" }, DATA.reasons[points.reason[i]])] : []),
    pairs(wanted.map((a) => [axes[a].label, show(axes[a], value(a, i))])),
    paint(html("div", { class: "dim" }, parameters.map((p, k) => `${p.label} ${withUnit(k, setting(k, i))}`).join(", ")), { marginTop: "4px" }),
  ];
}

function look(i, event) {
  state.at = i;
  drawRings();
  if (i < 0) hush(); else tell(event, summary(i));
}

pointed(scatterBox, (event) => { if (area) look(nearest(event), event); }, () => { if (area) look(-1); });
scatterBox.addEventListener("click", (event) => { const i = nearest(event); if (i >= 0) pin(i); });
scatterBox.addEventListener("blur", () => { if (area) blurred(scatterBox, () => look(-1)); });
scatterBox.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === " ") { if (state.at >= 0) pin(state.at); event.preventDefault(); return; }
  const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!step || !walk.length) return;
  event.preventDefault();
  const here = walk.indexOf(state.at < 0 ? state.pinned : state.at);
  away = { box: scatterBox, leave: () => look(-1) };
  const i = walk[Math.min(walk.length - 1, Math.max(0, here < 0 ? 0 : here + step))];
  const frame = scatterBox.getBoundingClientRect(), px = area.xs.map(value(state.x, i)), py = area.ys.map(value(state.y, i));
  look(i, { pageX: frame.left + scrollX + px, pageY: frame.top + scrollY + py, clientY: frame.top + py });
  say(`Design ${number(i)}: ${[state.x, state.y].map((a) => `${axes[a].label} ${show(axes[a], value(a, i))}`).join(", ")}`);
});

// --- the pinned design ---------------------------------------------------------------------------------------------
function pin(i) {
  state.pinned = i;
  if (area) drawRings();
  const tags = [];
  if (i === DATA.best) tags.push(html("span", { class: "tag" }, DATA.terms.length > 1 ? "best on balance" : "best"));
  else if (front.has(i)) tags.push(html("span", { class: "tag" }, "on the front"));
  if (points.state[i]) tags.push(html("span", { class: "tag off" }, "not feasible"));
  byId("pinned-name").replaceChildren(html("h2", {}, `Design ${number(i)}`), ...tags);
  byId("pinned-reason").textContent = points.state[i] ? DATA.reasons[points.reason[i]] : `${DATA.sweep ? "part of" : "proposed by"} ${series[points.series[i]].name}`;
  byId("pinned-settings").replaceChildren(
    ...DATA.terms.map((a) => html("tr", { class: "strong" }, html("th", { scope: "row" }, capital(axes[a].label)), html("td", {}, show(axes[a], value(a, i))))),
    ...parameters.map((p, k) => html("tr", {}, html("th", { scope: "row", title: about(p) }, p.label), html("td", {}, withUnit(k, setting(k, i))))));
  const named = (title, workload) => DATA.workloads.length > 1 && workload ? `${title} on ${workload}` : title;
  byId("pinned-cycles").replaceChildren(...DATA.cycles.map(({ workload, causes, columns }) => {
    const colors = causeColors(causes), total = columns.reduce((all, column) => all + (column[i] || 0), 0);
    return stacked(named("Cycles", workload), show(CYCLES, total), causes.map((cause, c) => ({ label: spaced(cause), value: columns[c][i], color: colors[c] })), (v) => show(CYCLES, v));
  }));
  const inParts = new Set();
  byId("pinned-parts").replaceChildren(...DATA.parts.map(({ title, workload, total, items }) => {
    const colors = partColors(items.length);
    items.forEach((item) => inParts.add(item.axis));
    return stacked(named(title, workload), show(axes[total], value(total, i)), items.map(({ label, axis }, k) => ({ label, value: value(axis, i), color: colors[k] })), (v) => show(axes[total], v));
  }));
  byId("pinned-metrics").replaceChildren(...metricRows(axes.map((_, a) => a).filter((a) => !inParts.has(a)), i));
  for (const row of document.querySelectorAll("#table tbody tr")) row.classList.toggle("on", Number(row.dataset.point) === i);
  if (roofline) roofline();
  const again = DATA.again.findIndex(({ point }) => point === i);
  if (again >= 0 && byId("op-design")) { byId("op-design").value = again; byId("op-design").dispatchEvent(new Event("change")); }
  say(`Design ${number(i)} is pinned`);
}

// Metrics in rows; where there are several workloads, in a column for each.
function metricRows(chosen, i) {
  const names = [...new Set(chosen.map((a) => axes[a].workload).filter(Boolean))];
  const head = (a, label) => html("th", { scope: "row", title: axes[a].about || null }, capital(label));
  const whole = chosen.filter((a) => !axes[a].workload).map((a) => html("tr", {}, head(a, axes[a].label), html("td", { colspan: names.length || null }, show(axes[a], value(a, i)))));
  if (!names.length) return whole;
  const byMetric = new Map();
  for (const a of chosen) if (axes[a].workload) byMetric.set(axes[a].metric, [...(byMetric.get(axes[a].metric) || []), a]);
  const cells = (found) => names.map((name) => { const a = found.find((k) => axes[k].workload === name); return html("td", {}, a === undefined ? "" : show(axes[a], value(a, i))); });
  return [...whole, html("tr", {}, html("th", {}), ...names.map((name) => html("th", { scope: "col", class: "right" }, name))),
    ...[...byMetric.values()].map((found) => html("tr", {}, head(found[0], axes[found[0]].short), ...cells(found)))];
}

// --- convergence ------------------------------------------------------------------------------------------------------
function drawConvergence() {
  const box = byId("convergence"), { axis, series: lines } = DATA.convergence;
  const all = lines.flatMap((line) => line.y), most = Math.max(1, ...lines.map((line) => line.tried));
  const log = axis.style !== "percent" && Math.min(...all) > 0 && Math.max(...all) / Math.min(...all) >= 4;
  const { layer, xs, ys, inner } = plot(box, {
    x: { values: [most > 20 ? 1 : 0, most], quantity: CYCLES, log: most > 200, pad: 0, title: "designs tried" },
    y: { values: axis.style === "percent" ? [0, 1] : all, quantity: axis, log, title: capital(axis.label), better: axis.better },
  });
  lines.forEach((line, k) => {
    if (!line.y.length) return;
    const places = line.x.map((x, i) => [xs.map(x), ys.map(line.y[i])]);
    places.push([xs.map(line.tried), places[places.length - 1][1]]);
    layer.append(paint(svg("path", { class: "line", d: steps(places) }), { stroke: lines.length > 1 ? `var(--c${k % 8})` : "var(--accent)" }));
  });
  legend(byId("convergence-legend"), lines.map((line, k) => ({ label: `${line.name}, ${integer(line.tried)} designs`, color: lines.length > 1 ? `var(--c${k % 8})` : "var(--accent)" })));
  const guide = svg("line", { class: "axisline", y1: inner.y0, y2: inner.y1 });
  guide.setAttribute("visibility", "hidden");
  layer.append(guide);
  const rows = (at) => lines.map((line) => {
    let last = -1;
    while (last + 1 < line.x.length && line.x[last + 1] <= at) last++;
    return [line.name, last < 0 ? "none feasible" : show(axis, line.y[last])];
  });
  const after = (at) => `after ${integer(at)} design${at === 1 ? "" : "s"}`;
  const describe = (at, px) => {
    guide.setAttribute("x1", px); guide.setAttribute("x2", px); guide.setAttribute("visibility", "visible");
    return [html("b", {}, after(at)), pairs(rows(at))];
  };
  const leave = () => { hush(); guide.setAttribute("visibility", "hidden"); };
  pointed(box, (event) => {
    const px = event.clientX - box.getBoundingClientRect().left;
    if (px < inner.x0 || px > inner.x1) return leave();
    const share = (px - inner.x0) / (inner.x1 - inner.x0);
    const at = Math.max(1, Math.round(xs.log ? xs.low * (xs.high / xs.low) ** share : xs.low + share * (xs.high - xs.low)));
    tell(event, describe(at, px));
  }, leave);
  const changes = [...new Set(lines.flatMap((line) => [...line.x, line.tried]))].sort((a, b) => a - b);
  walked(box, changes.length, (k) => {
    const px = xs.map(changes[k]);
    return { x: px, y: inner.y0 + 20, content: describe(changes[k], px), words: `${after(changes[k])}: ${spoken(rows(changes[k]))}` };
  }, leave);
}

// --- what matters -------------------------------------------------------------------------------------------------
const factor = (decades) => "×" + NARROW + significant(10 ** decades, 3);

function drawEffects() {
  const select = byId("effect-term"), term = select ? Number(select.value) : 0;
  const { fit, strips } = DATA.effects[term], axisAt = DATA.terms[term], axis = axes[axisAt];
  const order = parameters.map((_, k) => k).filter((k) => parameters[k].name in strips);
  if (fit) order.sort((a, b) => fit.importance[parameters[b].name] - fit.importance[parameters[a].name]);
  const bars = byId("importance");
  bars.parentElement.classList.toggle("only", !fit);
  if (fit) {
    const most = Math.max(...Object.values(fit.importance), 1e-9);
    bars.replaceChildren(...order.map((k) => html("div", {}, html("b", {}, parameters[k].label), html("span", {}, factor(fit.importance[parameters[k].name])),
      paint(html("i"), { width: `${100 * fit.importance[parameters[k].name] / most}%` }))));
    byId("effects-note").textContent = `Fitted on ${integer(fit.designs)} simulated designs; explains ${significant(100 * Math.max(0, fit.explained), 2)}${NARROW}% of the variance of log ${axis.label} on designs left out` +
      (fit.explained < 0.5 ? ": read the bars with care, for much of it is interaction or noise." : "; the rest is interaction.");
  } else {
    bars.replaceChildren();
    byId("effects-note").textContent = "Too few simulated designs (fewer than 30), or nothing varies: no importance is computed.";
  }
  const seen = [];
  for (let i = 0; i < count; i++) if (points.state[i] !== SURROGATE && value(axisAt, i) > 0) seen.push(i);
  const thin = seen.length > 900 ? seen.filter((_, k) => k % Math.ceil(seen.length / 900) === 0) : seen;
  byId("strips").replaceChildren(...order.map((k) => {
    const { name, label, unit } = parameters[k], values = parameters[k].groups || parameters[k].values, box = html("div", { class: "chart h-strip", tabindex: 0, role: "application", "aria-roledescription": "strip chart" });
    const middles = strips[name].map((quartiles, level) => quartiles && `${values[level]}: median ${show(axis, quartiles[1])}`).filter(Boolean).join("; ");
    box.setAttribute("aria-label", `${axis.label} by ${label}. ${middles}`);
    requestAnimationFrame(() => drawn(box, () => drawStrip(box, k, axisAt, thin, strips[name], values)));
    return html("figure", {}, html("h3", { title: about(parameters[k]) }, html("span", {}, label), html("span", {}, unit)), box);
  }));
}

function drawStrip(box, k, axisAt, seen, quartiles, values) {
  const axis = axes[axisAt], log = spans(axisAt);
  const { layer, xs, ys } = plot(box, {
    x: { scale: (from, to) => ({ map: (level) => from + (level + 0.5) / values.length * (to - from), ticks: () => values.map((_, level) => level) }),
      label: (level) => String(values[level]), grid: false },
    y: { values: points.metrics[axisAt], quantity: axis, log }, top: 6, bottom: 22, right: 4, yTicks: 3, left: 44,
  });
  const width = (xs.map(1) - xs.map(0)) || 20;
  const jitter = (i) => (((i * 2654435761) >>> 0) / 2 ** 32 - 0.5) * Math.min(width * 0.5, 26);
  const { group } = parameters[k], level = (i) => group ? group[points.values[k][i]] : points.values[k][i];
  const at = (i) => [xs.map(level(i)) + jitter(i), ys.map(value(axisAt, i))];
  const inside = seen.filter((i) => points.values[k][i] >= 0);
  layer.append(dots(inside.filter((i) => !isFeasible(i)).map(at), 2.6, "var(--out)", 0.8), dots(inside.filter(isFeasible).map(at), 2.6, "var(--accent)", 0.5));
  quartiles.forEach((found, level) => {
    if (!found) return;
    const x = xs.map(level), half = Math.min(width * 0.36, 15);
    layer.append(paint(svg("line", { x1: x, x2: x, y1: ys.map(found[0]), y2: ys.map(found[2]) }), { stroke: "var(--ink)", strokeWidth: 1.2 }),
      paint(svg("line", { x1: x - half, x2: x + half, y1: ys.map(found[1]), y2: ys.map(found[1]) }), { stroke: "var(--ink)", strokeWidth: 2.2 }));
  });
  const rows = (level) => {
    const effect = DATA.effects[DATA.terms.indexOf(axisAt)].fit?.factors[parameters[k].name][level];
    return [["upper quartile", show(axis, quartiles[level][2])], ["median", show(axis, quartiles[level][1])], ["lower quartile", show(axis, quartiles[level][0])],
      ...(Number.isFinite(effect) ? [["effect in the fit", factor(effect)]] : [])];
  };
  const name = (level) => `${parameters[k].label} ${withUnit(k, String(values[level]))}`;
  const describe = (level) => [html("b", {}, name(level)), pairs(rows(level))];
  pointed(box, (event) => {
    const level = Math.floor((event.clientX - box.getBoundingClientRect().left - xs.map(-0.5)) / width);
    if (quartiles[level]) tell(event, describe(level)); else hush();
  }, hush);
  const tried = values.map((_, level) => level).filter((level) => quartiles[level]);
  walked(box, tried.length, (at) => ({ x: xs.map(tried[at]), y: ys.map(quartiles[tried[at]][1]), content: describe(tried[at]), words: `${name(tried[at])}: ${spoken(rows(tried[at]))}` }));
}

// --- roofline of the pinned design -----------------------------------------------------------------------------------
let roofline = null;

function drawRoofline() {
  const chosen = DATA.rooflines[Number(byId("roof-workload")?.value ?? 0)], i = state.pinned;
  const { workload, macs, bytes, time, peak_macs: peaks, peak_bytes: ports } = chosen;
  const again = DATA.again.find(({ point }) => point === i), cycles = DATA.cycles.find((one) => one.workload === DATA.workloads[workload]);
  const total = cycles ? cycles.columns.reduce((all, column) => all + column[i], 0) : 0;
  rooflineChart(byId("roofline"), byId("roofline-legend"), {
    name: `design ${number(i)}`, macs: value(macs, i), bytes: value(bytes, i), seconds: value(time, i), peak: peaks[i], port: ports[i],
    table: again ? again.tables[workload] : null, cycles: total,
  });
}

// --- operators -----------------------------------------------------------------------------------------------------
function startOperators() {
  const design = byId("op-design"), workload = byId("op-workload"), order = byId("op-order");
  design.replaceChildren(...DATA.again.map(({ point }, k) => html("option", { value: k }, `design ${number(point)}${point === DATA.best ? " (best)" : ""}`)));
  if (workload) workload.replaceChildren(...DATA.workloads.map((name, k) => html("option", { value: k }, name)));
  const draw = () => operatorsChart(byId("operators"), byId("operators-legend"), DATA.again[Number(design.value)].tables[workload ? Number(workload.value) : 0], order.value);
  const again = drawn(byId("operators"), draw);
  for (const control of [design, workload, order]) if (control) control.addEventListener("change", again);
}

// --- table ---------------------------------------------------------------------------------------------------------
function startTable() {
  const inParts = new Set(DATA.parts.flatMap(({ items }) => items.map(({ axis }) => axis)));
  const shownAxes = [...DATA.terms, ...axes.map((_, a) => a).filter((a) => !DATA.terms.includes(a) && !inParts.has(a) && axes[a].better)].slice(0, 7);
  sortable(byId("table"), {
    columns: [
      { head: "design", of: (i) => points.number[i], cell: (i) => html("button", { type: "button", "aria-label": `Pin design ${number(i)}` }, number(i)) },
      ...shownAxes.map((a) => ({ head: axes[a].label, of: (i) => value(a, i), cell: (i) => show(axes[a], value(a, i)), about: axes[a].about })),
      ...parameters.map((p, k) => ({ head: p.label, of: (i) => points.values[k][i], cell: (i) => setting(k, i), words: !p.ordered, about: about(p) })),
    ],
    rows: DATA.ranked,
    mark: (i, row) => { row.dataset.point = i; row.classList.toggle("on", i === state.pinned); },
    chosen: pin,
    record: (i) => Object.fromEntries([["design", points.number[i]],
      ...parameters.map((p, k) => [p.name, points.values[k][i] < 0 ? null : p.values[points.values[k][i]]]), ...axes.map((axis, a) => [axis.name, value(a, i)])]),
  });
}

// --- start -----------------------------------------------------------------------------------------------------------
function choices(select, chosen, options) {
  select.replaceChildren(...options.map(([key, label]) => html("option", { value: key }, label)));
  select.value = chosen;
}

function start() {
  const usable = axes.map((_, a) => a).filter((a) => new Set(points.metrics[a]).size > 1 || DATA.terms.includes(a));
  const other = usable.find((a) => axes[a].name.startsWith("area") && !DATA.terms.includes(a)) ?? usable.find((a) => !DATA.terms.includes(a)) ?? DATA.terms[0];
  [state.x, state.y] = DATA.terms.length > 1 ? DATA.terms : [other, DATA.terms[0]];
  const options = usable.map((a) => [a, capital(axes[a].label)]);
  const redraw = drawn(scatterBox, drawScatter);
  for (const side of ["x", "y"]) {
    const select = byId(`axis-${side}`), box = byId(`log-${side}`);
    choices(select, state[side], options);
    const follow = () => { const log = spans(state[side]); state[`log${side}`] = box.checked = log; };
    follow();
    select.addEventListener("change", () => { state[side] = Number(select.value); follow(); redraw(); });
    box.addEventListener("change", () => { state[`log${side}`] = box.checked; redraw(); });
  }
  const color = byId("color");
  state.color = series.length > 1 ? "agent" : "";
  choices(color, state.color, [["", "nothing"], ...(series.length > 1 ? [["agent", "agent"]] : []), ...parameters.map((p, k) => [k, p.label])]);
  color.addEventListener("change", () => { state.color = color.value; redraw(); });
  redraw();
  if (byId("convergence")) drawn(byId("convergence"), drawConvergence);
  if (byId("roofline")) { roofline = drawn(byId("roofline"), drawRoofline); byId("roof-workload")?.addEventListener("change", roofline); }
  if (byId("importance") && DATA.effects.length) {
    const term = byId("effect-term");
    if (term) { choices(term, 0, DATA.terms.map((a, k) => [k, capital(axes[a].label)])); term.addEventListener("change", drawEffects); }
    drawEffects();
  }
  if (byId("op-design")) startOperators();
  if (byId("table")) startTable();
  pin(state.pinned);
}

if (count) start();
document.documentElement.dataset.ready = "true";
