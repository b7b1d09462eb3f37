// The page of one run: where cycles, energy and area went, operator by operator.

const { causes } = DATA.cycles;
const causeShades = causeColors(causes);
byId("cycles").replaceChildren(stacked("Cycles", show(CYCLES, DATA.cycles.total),
  causes.map((cause, c) => ({ label: spaced(cause), value: DATA.cycles.values[c], color: causeShades[c] })), (v) => show(CYCLES, v)));
byId("parts").replaceChildren(...DATA.parts.map(({ title, quantity, total, items }) => {
  const colors = partColors(items.length);
  return stacked(title, show(quantity, total), items.map((item, k) => ({ ...item, color: colors[k] })), (v) => show(quantity, v));
}));

if (DATA.operators) {
  const order = byId("op-order");
  const again = drawn(byId("operators"), () => operatorsChart(byId("operators"), byId("operators-legend"), DATA.operators, order.value));
  order.addEventListener("change", again);
}
if (DATA.roofline) drawn(byId("roofline"), () => rooflineChart(byId("roofline"), byId("roofline-legend"), { ...DATA.roofline, name: "the run", table: DATA.operators, cycles: DATA.cycles.total }));
if (DATA.table) {
  const { heads, columns } = DATA.table;
  sortable(byId("table"), {
    columns: heads.map((head, c) => ({
      head: head.label, about: head.name, words: head.text, of: (r) => columns[c][r],
      cell: (r) => head.text ? String(columns[c][r]) : show(head, columns[c][r]),
    })),
    rows: columns[0].map((_, r) => r),
    record: (r) => Object.fromEntries(heads.map((head, c) => [head.name, columns[c][r]])),
  });
}
document.documentElement.dataset.ready = "true";
