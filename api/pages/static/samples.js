// Generated images at an iteration: of the last grid that was written up to it.

export function showSamples(box, iteration) {
  const steps = box.dataset.steps.split(" ").map(Number);
  const step = steps.filter((one) => one <= iteration).at(-1) ?? steps[0];
  const image = box.querySelector("img");
  const address = box.dataset.address + step + (box.dataset.ending ?? "");
  if (image.getAttribute("src") === address) return;
  image.src = address;
  image.alt = `64 generated images at iteration ${step}`;
  box.querySelector("[data-at]").textContent = step;
}

// While a run goes on it writes new ones.
export async function renewSamples(box) {
  const response = await fetch(box.dataset.address.replace(/\/$/, ""));
  if (!response.ok) return;
  const { items } = await response.json();
  if (items.length) box.dataset.steps = items.map((item) => item.iteration).join(" ");
}
