/* The table of all clips, sorted by any column. */

class ClipTable {
  constructor(host, onOpen) {
    Object.assign(this, { host, onOpen, column: null, down: false });
    this.metrics = ["psnr", "ssim"].filter((metric) => report.rows.some((row) => Object.values(row.figures).some((figures) => metric in figures)));
    this.rows = report.rows.map((row, i) => ({ ...row, order: i, size: row.size.join("×") }));
    this.columns = [
      { name: "clip", label: "Clip", text: true, of: (row) => row.name },
      { name: "frames", label: "Frames", of: (row) => row.frames },
      { name: "size", label: "Size", of: (row) => row.size.split("×").reduce((a, b) => a * b), show: (row) => row.size },
      ...this.metrics.flatMap((metric) => report.contestants.map((contestant) => ({ name: `${metric} ${contestant.key}`, label: contestant.label, metric, key: contestant.key, of: (row) => row.figures[contestant.key]?.[metric] ?? null }))),
    ];
    this.draw();
  }

  draw() {
    const groups = element("tr", {}, Object.assign(element("td"), { colSpan: 3 }), ...this.metrics.map((metric) => Object.assign(element("th", { textContent: metric.toUpperCase(), scope: "colgroup" }), { colSpan: report.contestants.length })));
    const heads = element("tr", {}, ...this.columns.map((column) => this.head(column)));
    const rows = [...this.rows];
    if (this.column) {
      const value = this.column.of;
      rows.sort((a, b) => {
        const [one, other] = [value(a), value(b)];
        if (one === null || other === null) return (one === null) - (other === null);
        const order = this.column.text ? one.localeCompare(other, undefined, { numeric: true }) : one - other;
        return (this.down ? -order : order) || a.order - b.order;
      });
    }
    const caption = element("caption", { textContent: "Every clip that was measured; a column's head sorts by it." });
    const body = element("tbody", {}, ...rows.map((row) => this.row(row)));
    const foot = element("tfoot", {}, element("tr", {}, Object.assign(element("th", { textContent: "Mean over clips", scope: "row" }), { colSpan: 3 }), ...this.columns.slice(3).map((column) => element("td", { textContent: digits(column.metric, meanOf(column.key, column.metric)) }))));
    this.host.replaceChildren(caption, element("thead", {}, groups, heads), body, foot);
    this.mark(this.open);
  }

  head(column) {
    const button = element("button", { type: "button", textContent: column.label });
    if (column.metric) button.setAttribute("aria-label", `${column.metric.toUpperCase()} of ${column.label}`);
    const sorted = this.column?.name === column.name;
    const cell = element("th", { scope: "col" }, button);
    cell.setAttribute("aria-sort", !sorted ? "none" : this.down ? "descending" : "ascending");
    if (column.key) colour(cell, column.key);
    button.addEventListener("click", () => {
      this.down = sorted ? !this.down : Boolean(column.metric); // the best first
      this.column = column;
      this.draw();
      this.host.querySelectorAll("th button")[this.columns.indexOf(column)].focus();
    });
    return cell;
  }

  row(row) {
    const best = {};
    for (const metric of this.metrics) best[metric] = Math.max(...report.contestants.map((contestant) => row.figures[contestant.key]?.[metric] ?? -Infinity));
    const name = element("th", { scope: "row" });
    if (row.clip === null) name.textContent = row.name;
    else {
      const button = element("button", { type: "button", className: "link", textContent: row.name });
      button.addEventListener("click", () => this.onOpen(row.clip));
      name.append(button);
    }
    const cells = this.columns.slice(1).map((column) => {
      const value = column.of(row);
      const cell = element("td", { textContent: column.show ? column.show(row) : column.metric ? digits(column.metric, value) : value });
      if (column.metric && value === best[column.metric]) cell.className = "best";
      return cell;
    });
    const line = element("tr", {}, name, ...cells);
    line.dataset.clip = row.clip ?? "";
    return line;
  }

  mark(clip) {
    this.open = clip;
    for (const line of this.host.querySelectorAll("tbody tr")) {
      const here = line.dataset.clip === String(clip);
      line.classList.toggle("open", here);
      if (here) line.setAttribute("aria-current", "true");
      else line.removeAttribute("aria-current");
    }
  }
}

function digits(metric, value) {
  if (value === null || value === undefined) return "–";
  return value.toFixed(metric === "psnr" ? 2 : 3);
}

/* Mean over the clips that were measured with that contestant; null without one. */
function meanOf(key, metric) {
  const values = report.rows.map((row) => row.figures[key]?.[metric] ?? null).filter((value) => value !== null);
  return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
}
