// What changes while a sweep runs: the service says when, and what shows it asks again.

import { draw, drawn } from "./figures.js";

// The worker says something more often, unless it crashed with the tab that it shared a process
// with; then, as in browsers without shared workers, the page asks by itself. An answer that has not
// changed is a 304 of no size.
const SILENT_MS = 60_000;
const POLL_MS = 10_000;

const offline = document.getElementById("offline");
const { base, follows, of } = document.body.dataset;
// By what the page is about: whether a change concerns it. `of` is the name of the sweep or trial.
const concerned = {
  store: () => true,
  sweep: ({ sweeps }) => sweeps.includes(of),
  trial: ({ changed, more }) => more > 0 || changed.includes(of),
}[follows];
let stream = null; // the way to the worker that has the stream of all tabs
let heard = 0;

function refresh() {
  document.body.dispatchEvent(new CustomEvent("store-change"));
  drawn().filter((figure) => "live" in figure.dataset).forEach(draw);
}

function connect() {
  const address = new URL("stream.js", import.meta.url);
  stream = new SharedWorker(address, { name: `${base}/events` }).port;
  stream.addEventListener("message", ({ data: { event, data } }) => {
    heard = Date.now();
    if (event === "open") offline.hidden = true;
    if (event === "reset" || (event === "change" && concerned(data))) refresh();
  });
  stream.start();
}

// A hidden page is told nothing, and asks for all when it is seen again.
function follow(inView) {
  heard = 0;
  if (inView && !stream && "SharedWorker" in window) connect();
  stream?.postMessage(inView);
}

document.addEventListener("htmx:sendError", () => { offline.hidden = false; });
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.xhr.status) offline.hidden = true;
});
if (follows) {
  follow(!document.hidden);
  document.addEventListener("visibilitychange", () => follow(!document.hidden));
  addEventListener("pagehide", () => follow(false));
  addEventListener("pageshow", ({ persisted }) => { if (persisted) follow(!document.hidden); });
  setInterval(() => {
    if (document.hidden || Date.now() - heard < SILENT_MS) return;
    stream?.postMessage(false);
    stream = null;
    follow(true);
    refresh();
  }, POLL_MS);
}
