// Pictures side by side stand below one another where there is no room.

import { ask } from "./figures.js";

const narrow = matchMedia("(max-width: 48rem)");

function arrange() {
  for (const figure of document.querySelectorAll("[data-figure*='columns=']")) {
    ask(figure, { columns: narrow.matches ? 1 : 4 });
  }
}

narrow.addEventListener("change", arrange);
arrange();
