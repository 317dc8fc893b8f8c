// Figures come as JSON and are drawn when they are seen; each follows the colour scheme, and a form
// that drives one changes what it asks for.

import { remember, restore } from "./address.js";
import { answerOf, fileOf } from "./answers.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const [text, grid] = ["--text", "--line"].map((name) => style.getPropertyValue(name).trim());
  return coloured(layout, text, grid);
}

export function coloured(layout, text, grid) {
  const themedLayout = { ...layout, font: { ...layout.font, color: text } };
  for (const key of Object.keys(layout)) {
    if (/^[xy]axis/.test(key)) {
      themedLayout[key] = { ...layout[key], gridcolor: grid, linecolor: grid, tickcolor: grid };
    }
  }
  return { ...themedLayout, uirevision: "kept" };
}

export async function draw(figure) {
  const canvas = figure.querySelector(".canvas");
  const address = figure.dataset.figure;
  const answer = await answerOf(address);
  if (figure.dataset.figure !== address) return; // another one was picked meanwhile
  tell(figure, answer);
  if (answer.empty) {
    delete figure.drawn;
    Plotly.purge(canvas);
    canvas.replaceChildren(...why(answer));
    canvas.classList.add("empty");
    canvas.style.minHeight = "";
    return;
  }
  if (canvas.classList.contains("empty")) canvas.replaceChildren();
  canvas.classList.remove("empty");
  figure.drawn = answer;
  show(figure);
}

export function why({ empty, command }) {
  const line = Object.assign(document.createElement("p"), { textContent: empty });
  if (!command) return [line];
  const code = Object.assign(document.createElement("code"), { textContent: command });
  return [line, code];
}

export function tell(figure, answer) {
  const { source, trials, snapshot, says, empty } = answer;
  for (const link of figure.querySelectorAll(".behind a")) {
    if (!source) break;
    const file = fileOf(answer, link.dataset.format);
    link.hidden = !file;
    if (file) link.href = file;
  }
  const n = trials === 1 ? "1 trial" : `${trials} trials`;
  figure.querySelector(".about").textContent = snapshot && !empty ? `${n}, snapshot ${snapshot}.` : "";
  figure.querySelector(".says").textContent = says ?? "";
  const canvas = figure.querySelector(".canvas");
  canvas.dataset.title ??= canvas.ariaLabel;
  canvas.ariaLabel = `${canvas.dataset.title}. ${says ?? empty ?? ""}`;
  figure.querySelector(".picture").hidden = Boolean(empty);
}

function show(figure) {
  const { data, layout } = figure.drawn;
  const options = { responsive: true, displaylogo: false };
  const canvas = figure.querySelector(".canvas");
  if (layout.height) canvas.style.minHeight = `${layout.height}px`; // kept when it makes room
  Plotly.react(canvas, data, themed(layout), options)
    .then(() => figure.dispatchEvent(new Event("drawn", { bubbles: true })));
}

// Changes what a figure asks for: the values of each key take the place of those that it had.
export function ask(figure, changes) {
  const address = new URL(figure.dataset.figure, location.href);
  for (const [key, values] of Object.entries(changes)) {
    address.searchParams.delete(key);
    [values].flat().forEach((value) => address.searchParams.append(key, value));
  }
  const wanted = address.pathname + address.search;
  if (figure.dataset.figure === wanted) return;
  figure.dataset.figure = wanted;
  if (live.has(figure)) draw(figure);
}

// A page has as many live figures as a browser keeps smooth: the one that was seen longest ago makes
// room, and is drawn again when it is seen again.
const MOST = 6;
const live = new Set();

function keep(figure) {
  live.delete(figure);
  live.add(figure);
  for (const old of live) {
    if (live.size <= MOST) break;
    live.delete(old);
    delete old.drawn;
    Plotly.purge(old.querySelector(".canvas"));
  }
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    keep(target);
    if (!target.drawn) draw(target);
  }
}, { rootMargin: "200px" });

function save(event) {
  const format = event.target.dataset?.picture;
  if (!format) return;
  const figure = event.target.closest("[data-figure]");
  const size = { width: 1200, height: figure.drawn.layout.height ?? 600, scale: 2 };
  Plotly.downloadImage(figure.querySelector(".canvas"), { format, filename: figure.id, ...size });
}

function drive(form) {
  const figures = form.dataset.drives.split(" ").map((id) => document.getElementById(id));
  form.addEventListener("submit", (event) => event.preventDefault());
  const follow = () => {
    const given = new FormData(form);
    const names = [...form.elements].map((element) => element.name).filter(Boolean);
    const changes = Object.fromEntries(names.map((name) => [name, given.getAll(name).filter(Boolean)]));
    figures.forEach((figure) => ask(figure, changes));
    return changes;
  };
  const isKept = "kept" in form.dataset;
  form.addEventListener("change", () => {
    const changes = follow();
    if (isKept) remember(changes);
  });
  if (isKept) restore(form);
  follow(); // a browser restores what was picked before a reload
}

export const drawn = () => [...live];

dark.addEventListener("change", () => drawn().filter((one) => one.drawn).forEach(show));
document.addEventListener("click", save);
document.querySelectorAll("form[data-drives]").forEach(drive);
document.querySelectorAll("[data-figure]:not([data-still])").forEach((figure) => seen.observe(figure));
