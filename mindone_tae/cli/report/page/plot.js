/* Lines over frames or steps. A click goes to that frame. */

const SVG = "http://www.w3.org/2000/svg";

function svg(tag, attributes = {}, text = null) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text !== null) made.textContent = text;
  return made;
}

/* About `count` round numbers from low to high. */
function ticks(low, high, count) {
  const raw = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw - 1e-12);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + 1e-9; at += step) found.push(+at.toPrecision(10));
  return found;
}

class Plot {
  /* series: [{key, label, x: [...], y: [...], dashed, level}], level: a line across at y; shade: frames of a band, every other of which is shaded. */
  constructor(host, { title, unit = "", metric, series, xName, shade = 0, onPick = null }) {
    Object.assign(this, { title, unit, metric, series, xName, shade, onPick, at: null });
    this.figure = element("figure", { className: "plot" });
    this.legend = element("figcaption");
    this.drawing = svg("svg", { role: "img", "aria-label": this.summary() });
    this.figure.append(this.legend, this.drawing);
    host.append(this.figure);
    this.writeLegend();
    new ResizeObserver(() => this.draw()).observe(this.drawing);
    if (onPick) {
      this.figure.classList.add("picks");
      const pick = (event) => onPick(Math.round(this.xOf(event)));
      this.drawing.addEventListener("pointerdown", (event) => (this.drawing.setPointerCapture(event.pointerId), pick(event)));
      this.drawing.addEventListener("pointermove", (event) => event.buttons && pick(event));
    }
  }

  summary() {
    const told = this.series.filter((line) => !line.level).map((line) => {
      const values = line.y.filter((value) => value !== null);
      const range = `from ${shown(this.metric, Math.min(...values))} to ${shown(this.metric, Math.max(...values))}`;
      return `${line.label} ${values.length ? range : "has none"}`;
    });
    return `${this.title} by ${this.xName}: ${told.join("; ")}`;
  }

  writeLegend() {
    this.values = new Map();
    const entries = this.series.map((line) => {
      const value = element("b");
      this.values.set(line, value);
      const entry = element("span", { className: line.dashed ? "dashed" : "" }, element("i"), ` ${line.label} `, value);
      colour(entry, line.key);
      return entry;
    });
    this.legend.replaceChildren(element("strong", { textContent: this.title }), ...entries);
    this.mark(this.at);
  }

  xOf(event) {
    const box = this.drawing.getBoundingClientRect();
    const share = (event.clientX - box.left - this.left) / (box.width - this.left - this.right);
    return this.xs[0] + Math.min(Math.max(share, 0), 1) * (this.xs[1] - this.xs[0]);
  }

  draw() {
    const [width, height] = [this.drawing.clientWidth, this.drawing.clientHeight];
    if (!width) return;
    Object.assign(this, { left: 42, right: 10, width, height });
    const [top, bottom] = [8, 22];
    const lines = this.series.filter((line) => line.y.some((value) => value !== null));
    const all = lines.flatMap((line) => line.y.filter((value) => value !== null));
    const xs = lines.filter((line) => !line.level).flatMap((line) => line.x);
    if (!all.length) return;
    let [low, high] = [Math.min(...all), Math.max(...all)];
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    [low, high] = [low - margin, high + margin];
    this.xs = [Math.min(...xs), Math.max(Math.max(...xs), Math.min(...xs) + 1)];
    this.px = (x) => this.left + ((x - this.xs[0]) / (this.xs[1] - this.xs[0])) * (width - this.left - this.right);
    const py = (y) => top + ((high - y) / (high - low)) * (height - top - bottom);
    const parts = [];
    for (let at = 0; this.shade && at <= this.xs[1]; at += 2 * this.shade) {
      const [from, to] = [this.px(Math.max(at - 0.5, this.xs[0])), this.px(Math.min(at + this.shade - 0.5, this.xs[1]))];
      if (to > from) parts.push(svg("rect", { class: "shade", x: from, y: top, width: to - from, height: height - top - bottom }));
    }
    const places = ticks(low, high, 4);
    const digits = Math.max(0, ...places.map((place) => (String(place).split(".")[1] ?? "").length));
    for (const y of places) {
      parts.push(svg("line", { class: "grid", x1: this.left, x2: width - this.right, y1: py(y), y2: py(y) }));
      parts.push(svg("text", { x: this.left - 6, y: py(y) + 4, "text-anchor": "end" }, y.toFixed(digits)));
    }
    for (const x of ticks(...this.xs, Math.max(width / 90, 2))) {
      const anchor = this.px(x) > width - 24 ? "end" : "middle";
      if (Number.isInteger(x)) parts.push(svg("text", { x: this.px(x), y: height - 5, "text-anchor": anchor }, x >= 10000 ? `${x / 1000}k` : x));
    }
    for (const line of lines) parts.push(this.line(line, py));
    this.cursor = svg("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
    this.drawing.replaceChildren(...parts, this.cursor);
    this.mark(this.at);
  }

  line(line, py) {
    const group = svg("g", { class: line.dashed ? "line dashed" : "line" });
    colour(group, line.key);
    if (line.level) {
      const y = py(line.y[0]);
      group.append(svg("line", { x1: this.left, x2: this.width - this.right, y1: y, y2: y }));
      return group;
    }
    let path = "", open = false;
    line.x.forEach((x, i) => {
      if (line.y[i] === null) open = false;
      else [path, open] = [`${path}${open ? "L" : "M"}${this.px(x).toFixed(1)} ${py(line.y[i]).toFixed(1)}`, true];
    });
    group.append(svg("path", { d: path }));
    if (line.x.length <= 40 && !line.dashed) line.x.forEach((x, i) => line.y[i] !== null && group.append(svg("circle", { cx: this.px(x), cy: py(line.y[i]), r: line.x.length === 1 ? 4 : 2.5 })));
    return group;
  }

  /* The frame that is shown. */
  mark(at) {
    this.at = at;
    for (const [line, value] of this.values) {
      const i = line.level || at === null ? line.y.length - 1 : line.x.indexOf(at);
      value.textContent = shown(this.metric, line.y[i]);
    }
    if (at === null || !this.cursor) return;
    this.cursor.setAttribute("visibility", "visible");
    for (const end of ["x1", "x2"]) this.cursor.setAttribute(end, this.px(at));
  }
}
