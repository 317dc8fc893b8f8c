// A slider over the iterations that have a grid of images.

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

document.querySelectorAll("[data-slider]").forEach(slide);
