// What changes while a sweep runs: the service says when, and what shows it asks again.

import { draw, drawn } from "./figures.js";

// A stream that says nothing for so long may be cut off without a sign; then, as without streams
// (some proxies), the page asks by itself. An answer that has not changed is a 304 of no size.
const SILENT_MS = 45_000;
const POLL_MS = 10_000;

const offline = document.getElementById("offline");
let stream = null;
let heard = 0;

function changed() {
  document.body.dispatchEvent(new CustomEvent("store-change"));
  drawn().filter((figure) => "live" in figure.dataset).forEach(draw);
}

function listen() {
  stream = new EventSource(`${document.body.dataset.base}${document.body.dataset.events}`);
  stream.addEventListener("open", () => { heard = Date.now(); offline.hidden = true; });
  stream.addEventListener("reset", () => { heard = Date.now(); changed(); });
  stream.addEventListener("change", ({ data }) => {
    heard = Date.now();
    const { of } = document.body.dataset; // the trial that the page is about, if it is about one
    const { changed: trials, more } = JSON.parse(data);
    if (!of || more || trials.includes(of)) changed();
  });
}

function follow() {
  // A hidden page holds no connection: a browser has few of them for one host.
  if (document.hidden) {
    stream?.close();
    stream = null;
  } else if (stream === null) {
    listen();
    changed();
  }
}

document.addEventListener("htmx:sendError", () => { offline.hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) offline.hidden = true;
});
if (document.body.dataset.events) {
  listen();
  document.addEventListener("visibilitychange", follow);
  setInterval(() => {
    if (!document.hidden && Date.now() - heard > SILENT_MS) changed();
  }, POLL_MS);
}
