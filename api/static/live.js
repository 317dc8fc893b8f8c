// What changes while a sweep runs is asked for again.

import { draw, drawn } from "./figures.js";

const LIVE_MS = 5000;
const offline = document.getElementById("offline");
document.addEventListener("htmx:sendError", () => { offline.hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) offline.hidden = true;
});
setInterval(() => {
  if (document.hidden) return;
  drawn().filter((figure) => "live" in figure.dataset).forEach(draw);
}, LIVE_MS);
