"use strict";
/* Sends a video, shows how far it is, and then its report. */

const POLL_MS = 400;
const at = (id) => document.getElementById(id);
let chosen = null;
let most = Infinity;

async function ask(path, options) {
  const answer = await fetch(path, options);
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  return content;
}

function choose(file) {
  chosen = file ?? null;
  at("chosen").textContent = chosen ? `${chosen.name}, ${(chosen.size / 1e6).toFixed(1)} MB` : "Drop a video here, or press to choose one";
  const large = chosen && chosen.size > most;
  tell(large ? `The file has ${(chosen.size / 1e6).toFixed(0)} MB; at most ${most / 1e6} are taken.` : "");
  at("go").disabled = !chosen || large;
}

function tell(problem) {
  at("problem").hidden = !problem;
  at("problem").textContent = problem;
}

function doing(share, text) {
  at("work").hidden = false;
  at("bar").value = share;
  at("doing").textContent = text;
}

/* XMLHttpRequest, which says how much is sent. */
function send(file, path) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.upload.onprogress = (event) => doing(0, `sending, ${Math.round((100 * event.loaded) / event.total)}%`);
    request.onerror = () => reject(new Error("the server does not answer"));
    request.onload = () => {
      const content = JSON.parse(request.responseText);
      request.status === 200 ? resolve(content.ticket) : reject(new Error(content.error));
    };
    request.send(file);
  });
}

async function finished(ticket) {
  for (;;) {
    const progress = await ask(`/uploads/${ticket}`);
    if (progress.state === "failed") throw new Error(progress.text);
    if (progress.state === "done") return progress.report;
    doing(progress.share, progress.text);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function show(report, name) {
  const link = document.createElement("a");
  Object.assign(link, { href: `/reports/${report}`, target: "_blank", textContent: `${report}: ${name}` });
  at("reports").prepend(link);
  at("reports").hidden = at("report").hidden = false;
  at("report").src = link.href;
}

async function work() {
  const file = chosen;
  const query = new URLSearchParams({ name: file.name, size: at("size").value, frames: at("frames").value, weights: at("weights").value });
  at("go").disabled = true;
  tell("");
  try {
    show(await finished(await send(file, `/uploads?${query}`)), file.name);
  } catch (problem) {
    tell(problem.message);
  }
  at("work").hidden = true;
  at("go").disabled = !chosen;
}

function option(value, text) {
  return Object.assign(document.createElement("option"), { value, textContent: text });
}

async function start() {
  const { sizes, weights, limits } = await ask("/settings");
  at("size").append(...sizes.map((size) => option(size, size.replace("px", ""))));
  at("size").value = "96px";
  at("weights").append(...weights.map((path, number) => option(number, path.split("/").pop())));
  at("frames").max = limits.frames;
  at("frames").value = Math.min(at("frames").value, limits.frames);
  most = limits.megabytes * 1e6;
  at("limits").textContent = `up to ${limits.megabytes} MB and ${(limits.pixels / 1e6).toPrecision(2)} megapixels a frame; one video is worked on at a time`;
}

at("file").addEventListener("change", (event) => choose(event.target.files[0]));
at("form").addEventListener("submit", (event) => {
  event.preventDefault();
  work();
});
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, (event) => {
    event.preventDefault(); /* a video dropped beside its place must not open in this tab */
    at("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop" && event.dataTransfer.files.length) choose(event.dataTransfer.files[0]);
  });
}
start();
