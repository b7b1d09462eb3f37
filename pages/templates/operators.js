// Cycles of every operator, stacked by cause: all of them in the network's order, or the slowest with their names.

const SLOWEST = 20;
const CYCLES = { unit: "", style: "prefixed" };

function operatorsChart(box, list, table, order) {
  const totals = table.names.map((_, i) => table.cycles.reduce((all, column) => all + column[i], 0));
  const whole = totals.reduce((a, b) => a + b, 0);
  const colors = causeColors(table.causes);
  const used = table.causes.map((_, c) => table.cycles[c].some((value) => value > 0));
  legend(list, table.causes.map((cause, c) => ({ label: spaced(cause), color: colors[c] })).filter((_, c) => used[c]));
  const describe = (i) => [html("div", {}, html("b", {}, table.names[i])),
    html("div", { class: "dim" }, [table.kinds[i], `${show(CYCLES, totals[i])} cycles, ${percent(totals[i], whole)}`].filter(Boolean).join(" · ")),
    pairs(table.causes.map((cause, c) => [spaced(cause), show(CYCLES, table.cycles[c][i])]).filter((_, c) => table.cycles[c][i] > 0)),
    ...(table.notes[i] ? [html("div", { class: "dim" }, table.notes[i])] : [])];
  const bySize = totals.map((_, i) => i).sort((a, b) => totals[b] - totals[a]);
  const at = order === "slowest" ? slowest() : inOrder();
  pointed(box, (event) => {
    const i = at.find(event.clientX - box.getBoundingClientRect().left, event.clientY - box.getBoundingClientRect().top);
    if (i === null) hush(); else tell(event, describe(i));
  }, hush);
  walked(box, at.order.length, (k) => {
    const i = at.order[k], [x, y] = at.place(k);
    return { x, y, content: describe(i), words: `${table.names[i]}: ${show(CYCLES, totals[i])} cycles, ${percent(totals[i], whole)}` };
  });

  function inOrder() {
    const count = totals.length;
    const area = plot(box, {
      x: { scale: (from, to) => ({ map: (i) => from + (i / count) * (to - from), ticks: () => [] }), title: "operators in order" },
      y: { values: [0, ...totals], quantity: CYCLES, pad: 0, title: "cycles" }, bottom: 26,
    });
    const { x0, x1, y1 } = area.inner, width = (x1 - x0) / count, gap = width > 4 ? 1 : 0;
    table.causes.forEach((_, c) => {
      const shape = totals.map((_, i) => {
        const value = table.cycles[c][i];
        if (!value) return "";
        const below = table.cycles.slice(0, c).reduce((all, column) => all + column[i], 0);
        const bottom = area.ys.map(below), top = area.ys.map(below + value);
        return `M${(x0 + i * width).toFixed(2)} ${bottom.toFixed(2)}h${(width - gap).toFixed(2)}V${top.toFixed(2)}h${(gap - width).toFixed(2)}z`;
      }).join("");
      area.layer.append(paint(svg("path", { d: shape }), { fill: colors[c] }));
    });
    return {
      order: totals.map((_, i) => i), place: (i) => [x0 + (i + 0.5) * width, y1 - 40],
      find: (x, y) => x < x0 || x >= x1 || y > y1 ? null : Math.min(count - 1, Math.floor((x - x0) / width)),
    };
  }

  function slowest() {
    const height = box.clientHeight, width = box.clientWidth;
    const shown = bySize.slice(0, Math.min(SLOWEST, Math.floor(height / 16)));
    const line = (height - 4) / shown.length, margin = Math.min(width * 0.42, 230), room = width - margin - 64;
    const root = svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" });
    const most = totals[shown[0]] || 1, letters = Math.floor((margin - 10) / 6.6);
    shown.forEach((i, row) => {
      const name = table.names[i], y = 2 + row * line, short = name.length > letters ? "…" + name.slice(1 - letters) : name;
      root.append(svg("text", { x: margin - 8, y: y + line / 2 + 4, "text-anchor": "end" }, short));
      let x = margin;
      table.causes.forEach((_, c) => {
        const wide = table.cycles[c][i] / most * room;
        if (wide > 0) root.append(paint(svg("rect", { x, y: y + line * 0.14, width: wide, height: line * 0.72 }), { fill: colors[c] }));
        x += wide;
      });
      root.append(svg("text", { x: x + 6, y: y + line / 2 + 4 }, show(CYCLES, totals[i])));
    });
    box.replaceChildren(root);
    return { order: shown, place: (row) => [margin, 2 + (row + 0.5) * line],
      find: (_, y) => { const row = Math.floor((y - 2) / line); return row >= 0 && row < shown.length ? shown[row] : null; } };
  }
}
