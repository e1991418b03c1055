/* The head of the page, learning curves, and which weights and recipe were measured how. */

const models = () => report.contestants.filter((contestant) => contestant.kind === "model");

function writeSummary() {
  const several = report.rows.length > 1;
  const place = several ? `${report.rows.length} clips` : report.rows[0].name;
  byId("title").textContent = models().length > 1 ? `${models().length} models on ${place}` : headline(place);
  const day = new Date(report.made).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  byId("made").textContent = `${report.version} · ${report.command} · ${day}`;
  const names = report.contestants.map((contestant) => contestant.label);
  const beside = names.length > 1 ? `${names.slice(0, -1).join(", ")} and ${names.at(-1)}` : names[0];
  byId("lead").textContent = `${place}, as ${beside} ${names.length > 1 ? "give" : "gives"} it back: the same frames, in step.`;
  const cards = byId("cards");
  for (const metric of ["psnr", "ssim"]) {
    const figures = report.contestants.map((contestant) => ({ ...contestant, value: meanOf(contestant.key, metric) })).filter((entry) => entry.value !== null);
    if (figures.length) cards.append(barCard(metric, figures, several));
  }
  const clip = report.clips.find((entry) => Object.keys(entry.latents).length);
  if (clip) cards.append(sizeCard(clip));
}

/* The model's PSNR, and how far it is above the best of the others, or below. */
function headline(place) {
  const [model] = models();
  const own = meanOf(model.key, "psnr");
  if (own === null) return place;
  const others = report.contestants.filter((contestant) => contestant.kind === "baseline").map((contestant) => ({ ...contestant, value: meanOf(contestant.key, "psnr") }));
  const best = others.filter((other) => other.value !== null).sort((a, b) => b.value - a.value)[0];
  const gain = best && own - best.value;
  return `${own.toFixed(1)} dB${best ? `, ${Math.abs(gain).toFixed(1)} ${gain < 0 ? "below" : "above"} ${best.label}` : ""}`;
}

function barCard(metric, figures, several) {
  const most = Math.max(...figures.map((entry) => entry.value));
  const list = element("ul");
  for (const entry of figures) {
    const bar = element("i");
    bar.style.setProperty("--share", Math.max(entry.value / most, 0));
    const row = element("li", { className: entry.kind }, element("span", { className: "name", textContent: entry.label }), bar, element("b", { textContent: shown(metric, entry.value) }));
    colour(row, entry.key);
    list.append(row);
  }
  const title = { psnr: "PSNR", ssim: "SSIM" }[metric];
  return element("article", { className: "card" }, element("h2", { textContent: title }), element("p", { className: "note", textContent: several ? "mean over clips, higher is better" : "mean over frames, higher is better" }), list);
}

/* Two squares whose areas are to one another as the bytes are. */
function sizeCard(clip) {
  const latent = clip.latents[Object.keys(clip.latents)[0]];
  const taken = sizes(clip, latent);
  const ratio = taken.source / taken.float16;
  const squares = element("div", { className: "squares", ariaHidden: "true" }, element("i"), element("i"));
  squares.style.setProperty("--side", 1 / Math.sqrt(ratio));
  const list = element("dl", {}, element("dt", { textContent: "Source, 8-bit RGB" }), element("dd", { textContent: bytes(taken.source) }), element("dt", { textContent: "Latent, float16" }), element("dd", { textContent: bytes(taken.float16) }));
  return element("article", { className: "card size" }, element("h2", { textContent: `${+ratio.toFixed(1)} : 1` }), element("p", { className: "note", textContent: `bytes; in numbers ${+taken.numbers.toFixed(1)} : 1` }), squares, list);
}

function writeCurves() {
  const runs = report.runs.map((run, i) => ({ ...run, key: models()[i]?.key })).filter((run) => run.curves);
  const names = ["psnr", "ssim", "loss"].filter((name) => runs.some((run) => run.curves[name]));
  byId("learning").hidden = !names.length;
  for (const name of names) {
    const drawn = runs.filter((run) => run.curves[name]);
    const series = drawn.map((run) => ({ key: run.key, label: run.label, x: run.curves[name].steps, y: run.curves[name].values }));
    const levels = new Map(drawn.flatMap((run) => Object.entries(run.curves[name].baselines)));
    for (const [baseline, value] of levels) series.push({ key: baseline, label: baseline.replaceAll("_", " "), x: [0], y: [value], level: true, dashed: true });
    const title = { psnr: "PSNR", ssim: "SSIM", loss: "Loss, running mean" }[name];
    new Plot(byId("curves"), { title, metric: name, series, xName: "step" });
  }
}

function writeRuns() {
  const host = byId("runs");
  report.runs.forEach((run, i) => {
    const facts = {
      Model: `${run.name}, ${run.parameters.toLocaleString("en")} parameters`,
      Weights: run.pretrained ?? "random: none were given",
      "Weights' sha256": run.sha256,
      "Measured by": `mindone-tae ${run.command}, ${run.made.replace("T", " ").replace("+00:00", " UTC")}`,
    };
    const list = element("dl", {}, ...Object.entries(facts).flatMap(([name, text]) => [element("dt", { textContent: name }), element("dd", { textContent: text })]));
    const recipe = element("details", {}, element("summary", { textContent: "Recipe" }), element("pre", { textContent: run.recipe, tabIndex: 0 }));
    const card = element("article", { className: "run" }, element("h3", { textContent: run.label }), list, recipe);
    colour(card, models()[i]?.key ?? "source");
    host.append(card);
  });
  const protocol = byId("protocol");
  for (const [name, text] of Object.entries(report.protocol)) protocol.append(element("dt", { textContent: name.toUpperCase() }), element("dd", { textContent: text }));
}
