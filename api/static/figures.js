// Figures come as JSON and are drawn when they are seen; each follows the colour scheme, and a form
// that drives one changes what it asks for.

const dark = matchMedia("(prefers-color-scheme: dark)");

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

export async function draw(figure) {
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

export const drawn = () => [...document.querySelectorAll("[data-figure]")].filter((one) => one.drawn);

dark.addEventListener("change", () => drawn().forEach(show));
document.querySelectorAll("form[data-drives]").forEach(drive);
document.querySelectorAll("[data-figure]").forEach((figure) => seen.observe(figure));
