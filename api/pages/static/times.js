// Times as they are told: 3 minutes ago.

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

document.addEventListener("htmx:afterSettle", tellTimes);
setInterval(tellTimes, 1000);
tellTimes();
