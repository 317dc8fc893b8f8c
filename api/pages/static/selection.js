// Trials that were ticked to be compared: kept from page to page and while the list is renewed.

const KEY = "compared trials";
const MOST = 8;

const read = () => JSON.parse(sessionStorage.getItem(KEY) ?? "[]");

function show(form) {
  const chosen = read();
  for (const box of form.querySelectorAll("input[name=t]")) {
    box.checked = chosen.includes(box.value);
    box.disabled = !box.checked && chosen.length >= MOST;
  }
  const button = form.querySelector("[data-compare]");
  button.disabled = chosen.length < 2;
  button.textContent = chosen.length ? `Compare ${chosen.length}` : "Compare";
  const told = form.querySelector("[data-selected]");
  told.textContent = chosen.length
    ? `${chosen.length} of at most ${MOST} selected.`
    : "Select two to eight trials to compare them.";
  if (chosen.length) {
    const clear = Object.assign(document.createElement("button"), { type: "button", textContent: "Clear" });
    clear.addEventListener("click", () => { keep([]); show(form); });
    told.append(" ", clear);
  }
}

function keep(chosen) {
  sessionStorage.setItem(KEY, JSON.stringify(chosen));
}

function tick({ target }) {
  const form = target.closest("[data-selection]");
  if (!form || target.name !== "t") return;
  const others = read().filter((one) => one !== target.value);
  keep(target.checked ? [...others, target.value] : others);
  show(form);
}

// What was ticked on another page is sent too, in the order in which it was ticked.
function send({ target, formData }) {
  if (!("selection" in target.dataset)) return;
  formData.delete("t");
  for (const one of read()) formData.append("t", one);
}

const showAll = () => document.querySelectorAll("[data-selection]").forEach(show);

document.addEventListener("change", tick);
document.addEventListener("formdata", send);
document.addEventListener("htmx:afterSettle", showAll);
window.addEventListener("pageshow", showAll);
