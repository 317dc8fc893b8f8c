// One iteration for the whole page: a slider, the pointer over a figure or a key moves it, and every
// figure over iterations, the samples and what is drawn at one iteration show it.

import { recalled, remember } from "./address.js";
import { ask } from "./figures.js";
import { renewSamples, showSamples } from "./samples.js";

const SETTLE_MS = 150;
const PLAY_MS = 350;

function start(bar) {
  const [range, output, says, play] = ["input", "output", ".says", "button"]
    .map((name) => bar.querySelector(name));
  let steps = bar.dataset.steps.split(" ").map(Number);
  let told = [];
  let settling;
  let playing;

  const step = () => steps[range.value];

  function tell() {
    output.textContent = step();
    says.textContent = told[range.value] ?? "";
    range.setAttribute("aria-valuetext", `iteration ${step()}. ${says.textContent}`);
    document.querySelectorAll("[data-pin]").forEach((button) => {
      button.textContent = `Pin iteration ${step()}`;
      button.value = step();
    });
    document.querySelectorAll("[data-samples]").forEach((box) => showSamples(box, step()));
    document.querySelectorAll("[data-figure]").forEach((figure) => mark(figure, step()));
  }

  function move(index) {
    if (index === Number(range.value)) return;
    range.value = index;
    follow();
  }

  function follow() {
    tell();
    clearTimeout(settling);
    settling = setTimeout(settle, SETTLE_MS);
  }

  function settle() {
    // At the end there is nothing to say, and who follows a run goes on with it.
    remember({ at: Number(range.value) === steps.length - 1 ? [] : step() });
    bar.dataset.moves.split(" ").forEach((id) => {
      const figure = document.getElementById(id);
      if (figure) ask(figure, { at: step() });
    });
  }

  // A run that goes on has more steps than the page knew; who looked at its last one still does.
  function grow({ steps: more, says: sentences }) {
    if (!more?.length) return;
    const atEnd = Number(range.value) === steps.length - 1;
    const here = step();
    const known = steps.length;
    steps = [...new Set([...steps, ...more])].sort((a, b) => a - b);
    const sentence = new Map(more.map((at, k) => [at, sentences[k]]));
    if (sentences.length) told = steps.map((at) => sentence.get(at));
    range.max = steps.length - 1;
    range.value = atEnd ? steps.length - 1 : steps.indexOf(here);
    tell();
    if (steps.length === known) return;
    const boxes = [...document.querySelectorAll("[data-samples]")];
    Promise.all(boxes.map(renewSamples)).then(tell);
  }

  function stop() {
    clearInterval(playing);
    playing = undefined;
    play.textContent = "Play";
  }

  range.addEventListener("input", follow);
  play.addEventListener("click", () => {
    if (playing) return stop();
    if (Number(range.value) === steps.length - 1) move(0);
    play.textContent = "Pause";
    playing = setInterval(() => {
      if (Number(range.value) >= steps.length - 1) stop();
      else move(Number(range.value) + 1);
    }, PLAY_MS);
  });
  document.addEventListener("drawn", ({ target }) => {
    if (!hasCursor(target)) return;
    grow(target.drawn.layout.meta);
    const canvas = target.querySelector(".canvas");
    canvas.removeAllListeners("plotly_afterplot");
    canvas.on("plotly_afterplot", () => mark(target, step()));
    mark(target, step());
  });
  for (const kind of ["pointermove", "click"]) {
    document.addEventListener(kind, (event) => {
      if (kind === "pointermove" && event.pointerType !== "mouse") return;
      const figure = event.target.closest?.("[data-figure]");
      if (!figure || !hasCursor(figure)) return;
      const at = iterationAt(figure, event);
      if (at !== undefined) move(nearest(steps, at));
    });
  }
  const [at] = recalled("at").map(Number).filter(Number.isFinite);
  if (at !== undefined) move(nearest(steps, at));
  tell();
}

const hasCursor = (figure) => Boolean(figure.drawn?.layout.meta?.cursor);

function nearest(steps, at) {
  return steps.reduce((best, one, k) => (Math.abs(one - at) < Math.abs(steps[best] - at) ? k : best), 0);
}

// Each panel of a figure: its x axis with the y axis that it stands under.
function panels(figure) {
  const full = figure.querySelector(".canvas")._fullLayout;
  if (!full) return [];
  return Object.keys(full)
    .filter((key) => /^xaxis\d*$/.test(key))
    .map((key) => [full[key], full[full[key].anchor.replace("y", "yaxis")]])
    .filter(([x, y]) => x._length && y);
}

function iterationAt(figure, event) {
  const box = figure.querySelector(".canvas").getBoundingClientRect();
  const [left, top] = [event.clientX - box.left, event.clientY - box.top];
  for (const [x, y] of panels(figure)) {
    const inside = left >= x._offset && left <= x._offset + x._length
      && top >= y._offset && top <= y._offset + y._length;
    if (inside) return x.p2d(left - x._offset);
  }
  return undefined;
}

// Lines over the figure, not in it: to move them is not to draw it again.
function mark(figure, at) {
  figure.querySelectorAll(".cursor-line").forEach((line) => line.remove());
  if (!hasCursor(figure)) return;
  const canvas = figure.querySelector(".canvas");
  for (const [x, y] of panels(figure)) {
    const place = x.d2p(at);
    if (!(place >= 0 && place <= x._length)) continue;
    const line = document.createElement("div");
    line.className = "cursor-line";
    line.style.left = `${canvas.offsetLeft + x._offset + place}px`;
    line.style.top = `${canvas.offsetTop + y._offset}px`;
    line.style.height = `${y._length}px`;
    figure.append(line);
  }
}

document.querySelectorAll("[data-cursor]").forEach(start);
