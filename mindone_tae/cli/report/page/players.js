/* The players side by side, and the wipe between any two. */

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/* A figure as a reader likes it: 27.31 dB, 0.853. */
function shown(metric, value) {
  if (value === null || value === undefined) return "–";
  return metric === "psnr" ? `${value.toFixed(2)} dB` : value.toFixed(3);
}

function labelled(name) {
  if (name === "source") return "Source";
  if (name.startsWith("error:")) return `Error of ${labelOf(name.slice(6))}`;
  return labelOf(name);
}

function selectOf(names, chosen, label, onChange) {
  const select = element("select", {}, ...names.map((name) => element("option", { value: name, textContent: labelled(name) })));
  select.setAttribute("aria-label", label);
  select.value = chosen;
  select.addEventListener("change", () => onChange(select.value));
  return select;
}

class Players {
  constructor(host, redraw) {
    Object.assign(this, { host, redraw, panels: [] });
    this.chosenError = this.chosenLatent = null;
    new ResizeObserver(() => this.arrange()).observe(host);
  }

  open(clip) {
    this.clip = clip;
    const keys = Object.keys(clip.figures);
    const model = keys.find((key) => contestantOf(key).kind === "model") ?? keys[0];
    this.panels = [this.panel("source"), ...keys.map((key) => this.panel(key))];
    this.chosenError = keys.includes(this.chosenError) ? this.chosenError : model;
    this.panels.push(this.errorPanel(keys));
    const latents = Object.keys(clip.latents);
    if (latents.length) {
      this.chosenLatent = latents.includes(this.chosenLatent) ? this.chosenLatent : latents[0];
      this.panels.push(this.latentPanel(latents));
    }
    this.host.replaceChildren(...this.panels.map((panel) => panel.figure));
    this.arrange();
  }

  make(head, name, draw) {
    const picture = new Picture(name);
    dragView(picture);
    const live = element("span", { className: "live" });
    const figure = element("figure", {}, element("figcaption", {}, ...head, live), picture.canvas);
    const [height, width] = this.clip.sheet.cell;
    picture.resize(height, width);
    return { figure, picture, live, draw };
  }

  panel(name) {
    const head = element("span", { className: "name", textContent: labelled(name) });
    const panel = this.make([head], labelled(name), (sheet, number) => {
      panel.picture.drawCell(sheet, name);
      const figures = this.clip.figures[name];
      panel.live.textContent = figures ? Object.entries(figures).map(([metric, values]) => shown(metric, values[number])).join(" · ") : "";
    });
    panel.figure.dataset.name = name;
    colour(panel.figure, name);
    return panel;
  }

  errorPanel(keys) {
    const pick = (key) => ((this.chosenError = key), this.redraw());
    const names = keys.map((key) => `error:${key}`);
    const head = names.length > 1 ? selectOf(names, `error:${this.chosenError}`, "Whose error", (name) => pick(name.slice(6))) : element("span", { className: "name", textContent: labelled(names[0]) });
    const panel = this.make([head], "Error magnitude", (sheet) => {
      panel.picture.drawCell(sheet, `error:${this.chosenError}`);
      panel.picture.describe(`Error magnitude of ${labelOf(this.chosenError)}: black 0, brightest ${report.errorScale} or more of 255 levels`);
    });
    const scale = element("div", { className: "scale" }, element("span", { textContent: "0" }), element("i"), element("span", { textContent: `${report.errorScale} levels of 255` }));
    scale.setAttribute("aria-hidden", "true");
    panel.live.append(scale);
    panel.figure.dataset.name = "error";
    panel.figure.classList.add("error");
    return panel;
  }

  latentPanel(keys) {
    const head = [element("span", { className: "name", textContent: "Latent" })];
    if (keys.length > 1) head.push(selectOf(keys, this.chosenLatent, "Whose latent", (key) => ((this.chosenLatent = key), this.redraw())));
    const panel = this.make(head, "Latent", (sheet, number) => {
      const latent = this.clip.latents[this.chosenLatent];
      const [, frames, height, width] = latent.shape;
      const at = Math.min(Math.floor(number / latent.frames_each), frames - 1);
      const image = latentImage(latent.components, this.redraw);
      if (image) panel.picture.drawImage(image, 0, at * height, width, height);
      panel.live.textContent = `${at + 1} of ${frames}`;
      panel.picture.describe(`Three leading components of the latent of ${labelOf(this.chosenLatent)} in colour, latent frame ${at + 1} of ${frames}`);
    });
    panel.figure.dataset.name = "latent";
    return panel;
  }

  /* As many columns as leave each player 256 pixels high or, on a narrow screen, one; rows of the same length. */
  arrange() {
    if (!this.clip || !this.host.clientWidth) return;
    const [height, width] = this.clip.sheet.cell;
    const most = Math.max(Math.floor((this.host.clientWidth + GAP_PX) / (256 * (width / height) + GAP_PX)), 1);
    const rows = Math.ceil(this.panels.length / most);
    const columns = Math.ceil(this.panels.length / rows);
    this.host.style.setProperty("--columns", columns);
  }

  draw(sheet, number) {
    for (const panel of this.panels) panel.draw(sheet, number);
  }
}

const GAP_PX = 12;

class Wipe {
  constructor(host, redraw) {
    Object.assign(this, { host, redraw, at: 0.5, left: "source", right: null });
    this.picture = new Picture("Wipe");
    this.choices = element("div", { className: "choices" });
    this.slider = element("input", { type: "range", min: 0, max: 100, value: 50, step: 1 });
    this.slider.setAttribute("aria-label", "Where the wipe stands");
    this.slider.addEventListener("input", () => this.move(this.slider.value / 100));
    this.host.append(this.choices, element("div", { className: "frame" }, this.picture.canvas, (this.edge = element("i", { className: "edge" }))), this.slider);
    const drag = (event) => event.buttons && this.move(this.picture.placeOf(event)[0]);
    this.picture.canvas.addEventListener("pointerdown", (event) => (this.picture.canvas.setPointerCapture(event.pointerId), drag(event)));
    this.picture.canvas.addEventListener("pointermove", drag);
  }

  open(clip) {
    this.clip = clip;
    const names = ["source", ...Object.keys(clip.figures), ...Object.keys(clip.figures).map((key) => `error:${key}`)];
    this.left = names.includes(this.left) ? this.left : "source";
    this.right = names.includes(this.right) ? this.right : names[1];
    const [left, right] = ["left", "right"].map((side) => selectOf(names, this[side], `On the ${side}`, (name) => ((this[side] = name), this.redraw())));
    this.choices.replaceChildren(left, element("span", { textContent: "|" }), right);
    const [height, width] = clip.sheet.cell;
    this.picture.resize(height, width);
    this.host.style.setProperty("--aspect", width / height);
  }

  move(at) {
    this.at = Math.min(Math.max(at, 0), 1);
    this.slider.value = Math.round(100 * this.at);
    this.redraw();
  }

  draw(sheet, number) {
    this.picture.drawCell(sheet, this.left);
    this.picture.drawCell(sheet, this.right, Math.max(this.at, 1e-6));
    this.edge.style.left = `${100 * this.at}%`;
    this.picture.describe(`${labelled(this.left)} left of ${Math.round(100 * this.at)} percent, ${labelled(this.right)} right of it, frame ${number + 1}`);
  }
}
