// Figures, pickers, the sample slider and relative times. Figures come as JSON and are drawn when
// they are seen; each follows the colour scheme.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const LIVE_MS = 5000;

function themed(layout) {
  const style = getComputedStyle(document.documentElement);
  const text = style.getPropertyValue("--text").trim();
  const grid = style.getPropertyValue("--line").trim();
  const themedLayout = { ...layout, font: { ...layout.font, color: text } };
  for (const key of Object.keys(layout)) {
    if (/^[xy]axis/.test(key)) {
      themedLayout[key] = { ...layout[key], gridcolor: grid, linecolor: grid, tickcolor: grid };
    }
  }
  return { ...themedLayout, uirevision: "kept" };
}

async function draw(figure) {
  const canvas = figure.querySelector(".canvas");
  const address = figure.dataset.figure;
  let answer;
  try {
    const response = await fetch(address);
    answer = await response.json();
    if (!response.ok) answer = { empty: answer.detail };
  } catch (error) {
    answer = { empty: `The service does not answer (${error.message}).` };
  }
  if (figure.dataset.figure !== address) return; // another one was picked meanwhile
  if (answer.source) figure.querySelector(".behind").href = answer.source;
  if (answer.empty) {
    Plotly.purge(canvas);
    canvas.replaceChildren(Object.assign(document.createElement("p"), { textContent: answer.empty }));
    canvas.classList.add("empty");
    return;
  }
  if (canvas.classList.contains("empty")) canvas.replaceChildren();
  canvas.classList.remove("empty");
  figure.drawn = answer;
  show(figure);
}

function show(figure) {
  const { data, layout } = figure.drawn;
  const options = { responsive: true, displaylogo: false, toImageButtonOptions: { format: "svg" } };
  Plotly.react(figure.querySelector(".canvas"), data, themed(layout), options);
}

const seen = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    seen.unobserve(entry.target);
    draw(entry.target);
  }
}, { rootMargin: "200px" });

function drive(form) {
  const figure = document.getElementById(form.dataset.drives);
  form.addEventListener("submit", (event) => event.preventDefault());
  const follow = () => {
    const address = `${form.dataset.address}?${new URLSearchParams(new FormData(form))}`;
    if (figure.dataset.figure === address) return;
    figure.dataset.figure = address;
    if (figure.drawn) draw(figure);
  };
  form.addEventListener("change", follow);
  follow(); // a browser restores what was picked before a reload
}

function slide(box) {
  const steps = box.dataset.steps.split(" ");
  const [range, image, output] = ["input", "img", "output"].map((name) => box.querySelector(name));
  const follow = () => {
    const step = steps[range.value];
    output.textContent = step;
    range.setAttribute("aria-valuetext", `iteration ${step}`);
    image.src = box.dataset.address + step;
    image.alt = `64 generated images at iteration ${step}`;
  };
  range.addEventListener("input", follow);
  follow();
}

function tellTimes() {
  const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const units = [["second", 60], ["minute", 60], ["hour", 24], ["day", Infinity]];
  for (const time of document.querySelectorAll("time[data-relative]")) {
    if (!time.title) time.title = time.textContent;
    let value = (new Date(time.dateTime) - Date.now()) / 1000;
    const [unit] = units.find(([, size]) => Math.abs(value) < size || ((value /= size), false));
    const told = relative.format(Math.round(value), unit);
    if (time.textContent !== told) time.textContent = told;
  }
}

document.querySelectorAll("form[data-drives]").forEach(drive);
document.querySelectorAll("[data-slider]").forEach(slide);
document.querySelectorAll("[data-figure]").forEach((figure) => seen.observe(figure));
document.addEventListener("htmx:afterSettle", tellTimes);
const offline = document.getElementById("offline");
document.addEventListener("htmx:sendError", () => { offline.hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) offline.hidden = true;
});
dark.addEventListener("change", () => {
  document.querySelectorAll("[data-figure]").forEach((figure) => figure.drawn && show(figure));
});
setInterval(tellTimes, 1000);
setInterval(() => {
  if (document.hidden) return;
  document.querySelectorAll("[data-live]").forEach((figure) => figure.drawn && draw(figure));
}, LIVE_MS);
tellTimes();
