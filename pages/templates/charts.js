"use strict";
// What both pages draw with: elements, numbers for people, scales, axes, a tooltip. Text is only ever set as text.

const DATA = JSON.parse(document.getElementById("data").textContent);
const NARROW = "\u202f";
const byId = (id) => document.getElementById(id);

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) if (value !== null && value !== undefined) node.setAttribute(name, value);
  for (const child of children) if (child !== null && child !== undefined) node.append(child);
  return node;
}
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
function paint(node, styles) { Object.assign(node.style, styles); return node; }

// --- numbers for people: the same rules as simulator/units.py ---------------------------------------------------
const PREFIXES = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"], [1, ""], [1e-3, "m"], [1e-6, "µ"],
  [1e-9, "n"], [1e-12, "p"], [1e-15, "f"], [1e-18, "a"]];
const COUNTS = ["", "B", "bit"];

function significant(value, digits, trim = false) {
  if (value === 0) return "0";
  const rounded = Number(value.toExponential(digits - 1));
  const exponent = Math.floor(Math.log10(Math.abs(rounded)) + 1e-12);
  if (exponent < -4 || exponent >= 15) return rounded.toExponential(trim ? undefined : digits - 1);
  let text = rounded.toFixed(Math.max(0, digits - 1 - exponent));
  if (trim && text.includes(".")) text = text.replace(/\.?0+$/, "");
  if (exponent >= 4) text = text.replace(/\B(?=(\d{3})+$)/g, NARROW);
  return text;
}

function show(quantity, value, digits = 3, trim = false) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const { unit, style } = quantity;
  if (style === "percent") return significant(100 * value, digits, trim) + NARROW + "%";
  const size = Math.abs(Number(value.toExponential(digits - 1)));
  let text, prefix = "";
  if (Number.isInteger(value) && Math.abs(value) < (style === "plain" ? 1e5 : 1000)) text = String(value);
  else if (style === "plain" || (COUNTS.includes(unit) && size < 1000)) text = significant(value, digits, trim);
  else {
    const [scale, symbol] = PREFIXES.find(([least]) => size >= least) || [1, ""];
    text = significant(value / scale, digits, trim);
    prefix = symbol;
  }
  return prefix + unit ? text + NARROW + prefix + unit : text;
}

const integer = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, count >= 10000 ? NARROW : "");
function percent(part, whole) {
  if (!(whole > 0) || !(part > 0)) return "0" + NARROW + "%";
  const share = 100 * part / whole;
  return (share < 0.05 ? "<" + NARROW + "0.1" : share >= 99.95 ? "100" : share.toFixed(1)) + NARROW + "%";
}
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const spaced = (name) => name.replaceAll("_", " ");

// --- scales and axes -----------------------------------------------------------------------------------------------
function scale(values, from, to, log, pad = 0.05) {
  let low = Infinity, high = -Infinity;
  for (const value of values) {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = log ? [1, 10] : [0, 1];
  const into = log ? Math.log10 : (value) => value;
  let a = into(low), b = into(high);
  if (a === b) { const room = log ? 0.3 : Math.abs(a) * 0.1 || 1; a -= room; b += room; }
  const room = (b - a) * pad;
  a -= room; b += room;
  if (!log && low >= 0 && a < 0) a = 0;
  const map = (value) => from + (into(value) - a) / (b - a) * (to - from);
  return { map, log, low: log ? 10 ** a : a, high: log ? 10 ** b : b, ticks: (count) => log ? logTicks(a, b, count) : linearTicks(a, b, count) };
}

function linearTicks(a, b, count) {
  const rough = (b - a) / Math.max(1, count), power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * 0.999) * power;
  const ticks = [];
  for (let i = Math.ceil(a / step - 1e-9); i * step <= b + step * 1e-9; i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks(a, b, count) {
  for (const mantissas of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 4, 5, 7]]) {
    const ticks = [];
    for (let e = Math.floor(a) - 1; e <= Math.ceil(b); e++) for (const m of mantissas) {
      const at = Math.log10(m) + e;
      if (at >= a - 1e-9 && at <= b + 1e-9) ticks.push(Number((m * 10 ** e).toPrecision(12)));
    }
    if (ticks.length >= Math.min(count, 4)) {
      const every = Math.ceil(ticks.length / (count + 2));
      return ticks.filter((_, i) => i % every === 0);
    }
  }
  return linearTicks(10 ** a, 10 ** b, count).filter((tick) => tick > 0);
}

// A drawing area with axes; `x` and `y` are {values, quantity, log, title, ticks}. Returns the layer to draw in and both scales.
function plot(box, { x, y, left, right = 14, top = 26, bottom = 40, xTicks, yTicks, grid = true }) {
  const width = box.clientWidth, height = box.clientHeight;
  const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" });
  const ys = y.scale ? y.scale(height - bottom, top) : scale(y.values, height - bottom, top, y.log, y.pad);
  const yMarks = ys.ticks(yTicks || Math.max(2, Math.round(height / 70)));
  const yTexts = yMarks.map((tick) => show(y.quantity, tick, 3, true));
  const margin = left || Math.max(30, 10 + 6.9 * Math.max(...yTexts.map((text) => text.length), 0));
  const xs = x.scale ? x.scale(margin, width - right) : scale(x.values, margin, width - right, x.log, x.pad);
  const axes = svg("g");
  yMarks.forEach((tick, i) => {
    const at = ys.map(tick);
    if (grid) axes.append(svg("line", { class: "gridline", x1: margin, x2: width - right, y1: at, y2: at }));
    axes.append(svg("text", { x: margin - 8, y: at + 4, "text-anchor": "end" }, yTexts[i]));
  });
  const xMarks = xs.ticks(xTicks || Math.max(2, Math.round((width - margin) / 110)));
  const marks = xMarks.map((tick) => ({ at: xs.map(tick), text: x.label ? x.label(tick) : show(x.quantity, tick, 3, true) }));
  const every = stride(marks, width);
  marks.forEach(({ at, text }, i) => {
    if (grid && x.grid !== false) axes.append(svg("line", { class: "gridline", x1: at, x2: at, y1: top, y2: height - bottom }));
    if (i % every === 0) axes.append(svg("text", { x: at, y: height - bottom + 18, "text-anchor": "middle" }, text));
  });
  axes.append(svg("line", { class: "axisline", x1: margin, x2: width - right, y1: height - bottom, y2: height - bottom }));
  if (y.title) axes.append(titled({ x: Math.min(margin, 2), y: 13, "text-anchor": "start" }, y, "↑"));
  if (x.title) axes.append(titled({ x: width - right, y: height - 5, "text-anchor": "end" }, x, "→"));
  const layer = svg("g");
  root.append(axes, layer);
  box.replaceChildren(root);
  return { root, layer, xs, ys, width, height, margin, inner: { x0: margin, x1: width - right, y0: top, y1: height - bottom } };
}

// Labels every so many marks that none touches the next or leaves the page.
function stride(marks, width) {
  const half = ({ text }) => text.length * 3.5;
  for (let every = 1; every < marks.length; every++) {
    const kept = marks.filter((_, i) => i % every === 0);
    const fits = kept.every((mark, i) => i === 0 || mark.at - half(mark) > kept[i - 1].at + half(kept[i - 1]) + 4);
    const last = kept[kept.length - 1];
    if (fits && last.at + half(last) < width + 14) return every;
  }
  return Math.max(1, marks.length);
}

function titled(attributes, { title, better }) {
  const text = svg("text", attributes, svg("tspan", { class: "title" }, title));
  if (better) text.append(svg("tspan", { class: "better" }, better < 0 ? "  less is better" : "  more is better"));
  return text;
}

const rounded = (value) => value.toFixed(1);
// All dots of one colour in a single path: thousands of them stay quick to draw.
function dots(places, size, color, opacity = 1) {
  const path = svg("path", { class: "dots", d: places.map(([x, y]) => `M${rounded(x)} ${rounded(y)}h.01`).join("") });
  return paint(path, { stroke: color, strokeWidth: size, strokeOpacity: opacity });
}

function steps(places) { // each level holds until the next place
  return places.map(([x, y], i) => i ? `H${rounded(x)}V${rounded(y)}` : `M${rounded(x)} ${rounded(y)}`).join("");
}

function legend(list, entries) {
  list.replaceChildren(...entries.map(({ label, color, round, hollow }) => html("li", {},
    paint(html("span", { class: round ? "swatch round" : "swatch" }), hollow ? { border: `1.5px solid ${color}` } : { background: color }), label)));
}

function empty(box, text) {
  const width = box.clientWidth, height = box.clientHeight;
  box.replaceChildren(svg("svg", { width, height }, svg("text", { class: "empty", x: width / 2, y: height / 2 }, text)));
}

// Redraws when the width changes, and at once.
function drawn(box, draw) {
  let width = 0;
  const again = () => { if (box.clientWidth && box.clientWidth !== width) { width = box.clientWidth; draw(); } };
  new ResizeObserver(again).observe(box);
  again();
  return () => { width = box.clientWidth; draw(); };
}

// --- tooltip -----------------------------------------------------------------------------------------------------
const tip = byId("tip");
function tell(event, content) {
  tip.replaceChildren(...content);
  tip.hidden = false;
  const wide = tip.offsetWidth, high = tip.offsetHeight, edge = document.documentElement.clientWidth;
  let x = event.pageX + 16, y = event.pageY + 16;
  if (x + wide > window.scrollX + edge - 8) x = Math.max(window.scrollX + 8, event.pageX - wide - 16);
  if (event.clientY + 16 + high > window.innerHeight) y = Math.max(window.scrollY + 8, event.pageY - high - 16);
  paint(tip, { left: `${x}px`, top: `${y}px` });
}
const hush = () => { tip.hidden = true; };
// Pointing at a chart; a finger's tap does the same, and what it shows stays until another tap elsewhere.
let away = null;
function pointed(box, move, leave) {
  const look = (event) => { away = { box, leave }; move(event); };
  box.onpointermove = look;
  box.onpointerdown = (event) => { if (event.pointerType === "touch") look(event); };
  box.onpointerleave = (event) => { if (event.pointerType !== "touch") leave(); };
}
document.addEventListener("pointerdown", (event) => {
  if (away && !away.box.contains(event.target)) { away.leave(); away = null; }
});
// Arrow keys walk through what pointing shows: `visit(k)` gives a place in the box, what to show there, and words to say.
function walked(box, count, visit, leave = hush) {
  let at = -1;
  box.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step || !count) return;
    event.preventDefault();
    away = { box, leave };
    at = at < 0 ? (step > 0 ? 0 : count - 1) : Math.min(count - 1, Math.max(0, at + step));
    const { x, y, content, words } = visit(at), frame = box.getBoundingClientRect();
    tell({ pageX: frame.left + scrollX + x, pageY: frame.top + scrollY + y, clientY: frame.top + y }, content);
    say(words);
  };
  box.onblur = () => blurred(box, leave);
}
// A chart that loses the focus takes what it shows along, but not what a tap on another has just shown.
function blurred(box, leave) { if (!away || away.box === box) leave(); }
const spoken = (rows) => rows.map((row) => row.join(" ")).join(", ");
const say = (text) => { byId("live").textContent = text; };
document.addEventListener("keydown", (event) => { if (event.key === "Escape") hush(); });

const pairs = (rows) => html("table", {}, ...rows.map(([name, value]) => html("tr", {}, html("th", {}, name), html("td", {}, value))));

// --- stacked bars: parts of a whole, with their shares -----------------------------------------------------------
// Work in cool colours, waiting in warm ones, idle time in grey.
function causeColors(causes) {
  let warm = 0, cool = 0;
  return causes.map((cause) => /idle|other/.test(cause) ? "var(--out)"
    : /stall|wait|memory|block|conflict|miss/.test(cause) ? `var(--w${warm++ % 6})` : `var(--k${cool++ % 6})`);
}
const partColors = (count) => Array.from({ length: count }, (_, i) => `var(--c${i % 8})`);

function stacked(title, total, items, format) {
  const sum = items.reduce((all, item) => all + (item.value || 0), 0);
  const bar = html("div", { class: "stack", role: "img", "aria-label": `${title}: ` + items.map((i) => `${i.label} ${percent(i.value || 0, sum)}`).join(", ") });
  const rows = html("table", { class: "rows stacked" });
  for (const item of items) {
    if (item.value > 0) bar.append(paint(html("i"), { flexGrow: item.value / sum, background: item.color }));
    rows.append(html("tr", {}, html("th", { scope: "row" }, paint(html("span", { class: "swatch" }), { background: item.color }), item.label),
      html("td", {}, format(item.value)), html("td", {}, percent(item.value || 0, sum))));
  }
  return html("div", {}, html("h3", {}, `${title} `, paint(html("span", {}, total), { fontWeight: 400 })), bar, rows);
}

// --- theme ---------------------------------------------------------------------------------------------------------
byId("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("cyclescape-theme", root.dataset.theme); } catch { /* no storage: until the page is closed */ }
});
