// Rate against memory traffic, under what the machine could do at best.

const WORK = { unit: "MAC/s", style: "prefixed" }, INTENSITY = { unit: "", style: "prefixed" }, STREAM = { unit: "B/s", style: "prefixed" };

function rooflineChart(box, list, { name, macs, bytes, seconds, peak, port, table, cycles }) {
  const own = [macs / bytes, macs / seconds];
  list.replaceChildren();
  if (!own.every((v) => Number.isFinite(v) && v > 0)) return empty(box, "no work or no traffic to compare");
  const operators = [];
  if (table && cycles > 0) table.names.forEach((label, k) => {
    const ran = table.cycles.reduce((all, column) => all + column[k], 0);
    if (table.macs[k] > 0 && table.bytes[k] > 0 && ran > 0) operators.push({ label, at: [table.macs[k] / table.bytes[k], table.macs[k] * cycles / (ran * seconds)], share: ran / cycles });
  });
  const ridge = peak && port ? peak / port : null;
  const { xs, ys, layer, inner } = plot(box, {
    x: { values: [own[0], ...operators.map((o) => o.at[0]), ...(ridge ? [ridge / 3, ridge * 3] : [])], quantity: INTENSITY, log: true, title: "MACs per byte of memory traffic" },
    y: { values: [own[1], ...operators.map((o) => o.at[1]), ...(peak ? [peak] : [])], quantity: WORK, log: true, title: "MACs per second", better: 1, pad: 0.08 },
  });
  if (peak) {
    const foot = ridge ? Math.max(xs.low, ys.low / port) : xs.low;
    const roof = [...(ridge ? [[foot, foot * port], [ridge, peak]] : [[xs.low, peak]]), [xs.high, peak]];
    layer.append(paint(svg("path", { d: roof.map(([x, y], k) => `${k ? "L" : "M"}${rounded(xs.map(x))} ${rounded(ys.map(y))}`).join("") }), { stroke: "var(--muted)", strokeWidth: 1.5, fill: "none" }),
      svg("text", { x: inner.x1, y: ys.map(peak) - 6, "text-anchor": "end" }, `peak ${show(WORK, peak)}`));
    if (ridge) {
      const middle = Math.sqrt(foot * ridge), tx = xs.map(middle), ty = ys.map(middle * port);
      const angle = -Math.atan2(ys.map(port) - ys.map(port * 10), xs.map(10) - xs.map(1)) * 180 / Math.PI;
      layer.append(svg("text", { x: tx, y: ty - 6, "text-anchor": "middle", transform: `rotate(${rounded(angle)} ${rounded(tx)} ${rounded(ty)})` }, show(STREAM, port)));
    }
  }
  for (const o of operators) layer.append(paint(svg("circle", { cx: xs.map(o.at[0]), cy: ys.map(o.at[1]), r: 2 + 14 * Math.sqrt(o.share) }), { fill: "var(--accent)", fillOpacity: 0.38 }));
  layer.append(paint(svg("circle", { class: "mark", cx: xs.map(own[0]), cy: ys.map(own[1]), r: 6 }), { fill: "var(--pin)" }));
  legend(list, [{ label: `${name} as a whole`, color: "var(--pin)", round: true }, ...(operators.length ? [{ label: "its operators, area by cycles", color: "var(--accent)", round: true }] : [])]);
  box.setAttribute("aria-label", `Roofline of ${name}: ${show(WORK, own[1])} at ${show(INTENSITY, own[0])} MACs per byte` + (peak ? `, ${percent(own[1], peak)} of its peak of ${show(WORK, peak)}` : ""));
  const whole = { label: name, at: own, share: 1 };
  const rows = (o) => [["MACs per byte", show(INTENSITY, o.at[0])], ["rate", show(WORK, o.at[1])], ...(peak ? [["of the peak", percent(o.at[1], peak)]] : []), ["share of cycles", percent(o.share, 1)]];
  const describe = (o) => [html("b", {}, o.label), pairs(rows(o))];
  pointed(box, (event) => {
    const frame = box.getBoundingClientRect();
    let found = null, least = 18 ** 2;
    for (const o of [...operators, whole]) {
      const distance = (xs.map(o.at[0]) - event.clientX + frame.left) ** 2 + (ys.map(o.at[1]) - event.clientY + frame.top) ** 2;
      if (distance <= least) { least = distance; found = o; }
    }
    if (!found) return hush();
    tell(event, describe(found));
  }, hush);
  const order = [whole, ...operators];
  walked(box, order.length, (k) => ({ x: xs.map(order[k].at[0]), y: ys.map(order[k].at[1]), content: describe(order[k]), words: `${order[k].label}: ${spoken(rows(order[k]))}` }));
}
