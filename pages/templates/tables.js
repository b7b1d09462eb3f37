// A table that sorts by its headings and can be copied as CSV or JSON.

// columns: {head, of(row): what to sort by, cell(row): what to show, words: left-aligned, about}; record(row): what is copied.
function sortable(table, { columns, rows, mark = () => {}, chosen = null, record }) {
  const body = html("tbody");
  let sorted = -1, down = false, order = [...rows];
  const compare = (a, b) => {
    const one = columns[sorted].of(a), other = columns[sorted].of(b);
    if (one === null || other === null) return (one === null) - (other === null); // unknown ones last, either way
    return (typeof one === "string" ? one.localeCompare(other) : one - other) * (down ? -1 : 1);
  };
  const heads = columns.map((column, c) => {
    const button = html("button", { type: "button", title: column.about || null }, column.head);
    button.addEventListener("click", () => { down = sorted === c ? !down : false; sorted = c; refresh(); });
    return html("th", { scope: "col", class: column.words ? "text" : null }, button);
  });
  function refresh() {
    if (sorted >= 0) order = [...rows].sort(compare);
    heads.forEach((head, c) => { if (c === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending"); else head.removeAttribute("aria-sort"); });
    body.replaceChildren(...order.map((item) => {
      const row = html("tr", {}, ...columns.map((column) => html("td", { class: column.words ? "text" : null }, column.cell(item))));
      mark(item, row);
      if (chosen) row.addEventListener("click", () => chosen(item));
      return row;
    }));
  }
  table.replaceChildren(html("thead", {}, html("tr", {}, ...heads)), body);
  refresh();
  const quote = (cell) => cell === null || cell === undefined ? "" : /[",\r\n]/.test(String(cell)) ? `"${String(cell).replaceAll('"', '""')}"` : String(cell);
  byId("copy-csv").addEventListener("click", (event) => {
    const all = order.map(record);
    copy([Object.keys(all[0] || {}), ...all.map(Object.values)].map((line) => line.map(quote).join(",")).join("\n") + "\n", event.currentTarget);
  });
  byId("copy-json").addEventListener("click", (event) => copy(JSON.stringify(order.map(record), null, 1), event.currentTarget));
}

async function copy(text, button) {
  const label = button.textContent;
  let done = true;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = html("textarea", { class: "unseen", readonly: "" });
    area.value = text;
    document.body.append(area);
    area.select();
    done = document.execCommand("copy");
    area.remove();
    button.focus();
  }
  say(done ? "Copied" : "The browser does not allow copying");
  paint(button, { minWidth: `${button.offsetWidth}px` }).textContent = done ? "Copied" : "Not allowed";
  setTimeout(() => { button.textContent = label; }, 1200);
}
