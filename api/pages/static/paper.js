// The paper page: picks are kept in its address, and every figure can be put on paper.

import { answerOf } from "./answers.js";
import { coloured, tell, why } from "./figures.js";

const WIDTH = 1000; // of a still, in the pixels that its text is sized for
const printing = document.getElementById("printing");
const permalink = document.getElementById("permalink");

// What was picked, as fig5.setting=..., so that the address shows the same page again.
function keep({ target }) {
  const form = target.closest("form[data-drives]");
  if (!form || !permalink) return;
  const address = new URL(location.href);
  for (const [name, value] of new FormData(form)) {
    if (name === "profile") address.searchParams.set(name, value);
    else if (value === "") address.searchParams.delete(`${form.dataset.drives}.${name}`);
    else address.searchParams.set(`${form.dataset.drives}.${name}`, value);
  }
  address.hash = `${form.dataset.drives}-section`;
  history.replaceState(null, "", address);
  permalink.href = address;
}

// A picture of the figure in light colours, beside the live one: a page may have any number.
async function still(figure) {
  const canvas = figure.querySelector(".canvas");
  const answer = await answerOf(figure.dataset.figure);
  tell(figure, answer);
  figure.querySelector(".still")?.remove();
  const box = Object.assign(document.createElement("div"), { className: "still" });
  if (answer.empty) {
    box.append(...why(answer));
  } else {
    const { data, layout } = answer;
    const height = layout.height ?? 440;
    const light = coloured(layout, "#1d2329", "#dfe3e6");
    const src = await Plotly.toImage(
      { data, layout: { ...light, width: WIDTH, height } },
      { format: "svg", width: WIDTH, height },
    );
    const picture = Object.assign(new Image(WIDTH, height), { src, alt: canvas.ariaLabel });
    box.append(picture);
    await picture.decode();
  }
  canvas.closest(".frame").after(box);
}

async function stills() {
  const figures = [...document.querySelectorAll("[data-figure]")];
  for (const [k, figure] of figures.entries()) {
    printing.textContent = `drawing figure ${k + 1} of ${figures.length} …`;
    await still(figure);
  }
  printing.textContent = "";
  document.body.dataset.stills = "drawn";
}

document.addEventListener("change", keep);
document.getElementById("print").addEventListener("click", async (event) => {
  event.target.disabled = true;
  await stills();
  event.target.disabled = false;
  print();
});
if (document.querySelector("[data-still]")) stills();
