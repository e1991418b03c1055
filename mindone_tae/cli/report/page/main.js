/* Puts the page together. */

const report = JSON.parse(document.getElementById("report").textContent);
const byId = (id) => document.getElementById(id);
const MODEL_COLOURS = 4, BASELINE_COLOURS = 4;

function contestantOf(key) {
  return report.contestants.find((contestant) => contestant.key === key);
}

function labelOf(key) {
  return contestantOf(key)?.label ?? key;
}

/* Gives an element its contestant's colour, the same all over the page. */
function colour(target, key) {
  const kinds = { model: models().map((entry) => entry.key), baseline: report.contestants.filter((entry) => entry.kind === "baseline").map((entry) => entry.key) };
  const kind = contestantOf(key)?.kind ?? (key === "source" ? null : "baseline");
  const place = kind ? Math.max(kinds[kind].indexOf(key), 0) % (kind === "model" ? MODEL_COLOURS : BASELINE_COLOURS) : 0;
  target.style.setProperty("--own", kind ? `var(--${kind}${place})` : "var(--source)");
}

const state = { clip: null, mode: matchMedia("(max-width: 40rem)").matches ? "wipe" : "side" };
const sheet = new Sheet({ onFrame: () => redraw(), onState: showState, onProblem: showProblem });
const redraw = () => drawFrame();
const players = new Players(byId("side"), redraw);
const wipe = new Wipe(byId("wipe"), redraw);
const latentView = new LatentView(byId("latent"), byId("latent-body"), players, redraw);
let plots = [];

function openClip(index, number = 0, playing = sheet.playing) {
  state.clip = index;
  const clip = report.clips[index];
  byId("clip-name").textContent = clip.name;
  const length = clip.still ? "an image" : `${clip.shown} frames${clip.shown < clip.frames ? ` (the first of ${clip.frames})` : ""}, ${+clip.fps.toFixed(3)} a second`;
  const source = clip.source.size ? `, from ${clip.source.size[1]} × ${clip.source.size[0]}` : "";
  byId("clip-facts").textContent = `${clip.size[1]} × ${clip.size[0]}${source}, ${length}`;
  byId("problem").hidden = true;
  for (const open of [players, wipe, latentView]) open.open(clip);
  writePlots(clip);
  writeCost(clip);
  byId("seek").max = clip.shown - 1;
  for (const id of ["seek", "play", "back", "on"]) byId(id).disabled = clip.still;
  table.mark(index);
  for (const button of byId("clips").children) button.setAttribute("aria-current", String(button.dataset.clip === String(index)));
  sheet.open(clip, byId(`media-${index}`).textContent, number);
  if (playing) sheet.play();
}

function writePlots(clip) {
  byId("plots").replaceChildren();
  plots = [];
  const shade = Object.values(clip.latents)[0]?.frames_each ?? 0;
  for (const [metric, title] of [["psnr", "PSNR"], ["ssim", "SSIM"]]) {
    const keys = Object.keys(clip.figures).filter((key) => clip.figures[key][metric]);
    const series = keys.map((key) => ({ key, label: labelOf(key), x: clip.figures[key][metric].map((_, i) => i), y: clip.figures[key][metric], dashed: contestantOf(key).kind === "baseline" }));
    if (series.length) plots.push(new Plot(byId("plots"), { title, metric, series, xName: "frame", shade, onPick: clip.still ? null : pick }));
  }
}

function pick(number) {
  sheet.pause();
  sheet.seek(number);
}

function writeCost(clip) {
  const costs = Object.entries(clip.cost).map(([name, decibels]) => `${labelled(name)} ${decibels} dB`);
  const shrunk = clip.sheet.factor > 1 ? ` Frames are shown at 1/${clip.sheet.factor} of their size.` : "";
  const cost = costs.length ? `The players show ${clip.codec}, ${bytes(clip.bytes)}. Its own loss, as PSNR against the exact frames: ${costs.join(", ")}.` : `The players show ${clip.codec}.`;
  const bands = Object.keys(clip.latents).length && !clip.still ? " Frames that share a latent frame stand in one band of the plots." : "";
  byId("cost").textContent = `${cost} All figures are of the exact frames.${shrunk}${bands}`;
}

function drawFrame() {
  const number = sheet.number;
  if (number === null) return;
  if (state.mode === "side") players.draw(sheet, number);
  else wipe.draw(sheet, number);
  latentView.draw(sheet, number);
  for (const plot of plots) plot.mark(number);
  const clip = report.clips[state.clip];
  const told = `frame ${number + 1} of ${clip.shown}`;
  byId("number").textContent = clip.still ? "one frame" : `${number + 1} / ${clip.shown} · ${(number / clip.fps).toFixed(2)} s`;
  if (document.activeElement !== byId("seek") || sheet.playing) byId("seek").value = number;
  byId("seek").setAttribute("aria-valuetext", told);
  document.body.dataset.frame = number;
}

function showState() {
  byId("play").classList.toggle("playing", sheet.playing);
  byId("play").setAttribute("aria-label", sheet.playing ? "Pause" : "Play");
}

function showProblem(text) {
  byId("problem").textContent = text;
  byId("problem").hidden = false;
}

function choose(group, value) {
  for (const button of byId(group).children) button.setAttribute("aria-pressed", String(button.dataset.value === String(value)));
}

function setMode(mode) {
  state.mode = mode;
  choose("mode", mode);
  byId("side").hidden = mode !== "side";
  byId("wipe").hidden = mode !== "wipe";
  players.arrange();
  redraw();
}

function zoomTo(zoom) {
  setView(zoom);
  choose("zoom", zoom);
  for (const picture of [...players.panels.map((panel) => panel.picture), wipe.picture]) picture.sharpen();
  redraw();
}

function toggle() {
  if (sheet.playing) sheet.pause();
  else sheet.play();
}

function otherClip(count) {
  if (report.clips.length > 1) openClip((state.clip + count + report.clips.length) % report.clips.length);
}

const KEYS = {
  " ": toggle,
  ArrowLeft: (event) => sheet.step(event.shiftKey ? -leap() : -1),
  ArrowRight: (event) => sheet.step(event.shiftKey ? leap() : 1),
  ArrowUp: () => otherClip(-1),
  ArrowDown: () => otherClip(1),
  Home: () => pick(0),
  End: () => pick(report.clips[state.clip].shown - 1),
  w: () => setMode(state.mode === "side" ? "wipe" : "side"),
  z: () => zoomTo(view.zoom === 4 ? 1 : view.zoom * 2),
};

function leap() {
  return Object.values(report.clips[state.clip].latents)[0]?.frames_each ?? 8;
}

document.addEventListener("keydown", (event) => {
  const target = event.target;
  const busy = target.closest("select, summary, pre, .scroll") || (target.tagName === "BUTTON" && event.key === " ") || (target.type === "range" && target.id !== "seek");
  if (!KEYS[event.key] || busy || event.ctrlKey || event.metaKey || event.altKey) return;
  if (report.clips.length === 1 && event.key.match(/Arrow(Up|Down)/)) return;
  event.preventDefault();
  KEYS[event.key](event);
});

document.addEventListener("view", () => zoomTo(view.zoom));
byId("play").addEventListener("click", toggle);
byId("back").addEventListener("click", () => sheet.step(-1));
byId("on").addEventListener("click", () => sheet.step(1));
byId("seek").addEventListener("input", () => pick(Number(byId("seek").value)));
byId("speed").addEventListener("change", () => (sheet.playing ? sheet.play(Number(byId("speed").value)) : (sheet.rate = Number(byId("speed").value))));
byId("mode").addEventListener("click", (event) => event.target.dataset.value && setMode(event.target.dataset.value));
byId("zoom").addEventListener("click", (event) => event.target.dataset.value && zoomTo(Number(event.target.dataset.value)));
byId("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
});

if (report.clips.length > 1) {
  byId("clips").hidden = false;
  report.clips.forEach((clip, i) => {
    const picture = element("img", { src: clip.thumbnail, alt: "" });
    const button = element("button", { type: "button" }, picture, element("span", { textContent: clip.name }));
    button.dataset.clip = i;
    button.addEventListener("click", () => openClip(i));
    byId("clips").append(button);
  });
}

writeSummary();
writeCurves();
writeRuns();
const table = new ClipTable(byId("table"), (clip) => {
  openClip(clip);
  byId("players").focus();
});
const left = report.rows.filter((row) => row.clip === null).length;
byId("table-note").textContent = left ? `${left} of these clips have no player: a page holds the first ones only.` : "";
setMode(state.mode);
openClip(0, 0, !matchMedia("(prefers-reduced-motion: reduce)").matches);
