// Iterations that stay in a picture: a button adds the one under the cursor, a checkbox takes it out.

import { recalled } from "./address.js";

function pin(form, iteration) {
  const list = form.querySelector("ul");
  const known = [...list.querySelectorAll("input")].map((box) => box.value);
  if (known.includes(iteration)) return;
  const box = Object.assign(document.createElement("input"), {
    type: "checkbox", name: "iterations", value: iteration, checked: true,
  });
  const label = document.createElement("label");
  label.append(box, ` ${iteration}`);
  const item = document.createElement("li");
  item.append(label);
  const after = [...list.children].find((one) => Number(one.textContent) > Number(iteration));
  list.insertBefore(item, after ?? null);
  form.dispatchEvent(new Event("change"));
}

for (const form of document.querySelectorAll("form[data-pins]")) {
  recalled("iterations").filter((one) => /^\d+$/.test(one)).forEach((one) => pin(form, one));
  form.querySelector("[data-pin]").addEventListener("click", (event) => pin(form, event.target.value));
}
