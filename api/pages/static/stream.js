// The one stream of events that a browser keeps for all of its tabs: it has six connections for a
// host, and a stream holds one. It is open while a page is in view, whichever that is.

// A stream that says nothing for so long may be cut off without a sign; then, as while it is refused
// or where proxies let none through, pages ask by themselves every so often.
const SILENT_MS = 45_000;
const POLL_MS = 10_000;
// An EventSource that was refused (401, 503) does not try again by itself.
const AGAIN_MS = 10_000;
// A page that goes is often followed by another: of a tab that is switched to, or of a link.
const LINGER_MS = 2_000;

const pages = new Set(); // ports of the pages in view
let stream = null;
let started = false; // the stream has said where it starts: its later events are changes since
let heard = 0;

const tell = (event, data) => pages.forEach((page) => page.postMessage({ event, data }));

function open() {
  started = false;
  stream = new EventSource(self.name); // the address: pages know below which path the service is
  stream.addEventListener("open", () => { heard = Date.now(); tell("open"); });
  stream.addEventListener("reset", () => { heard = Date.now(); started = true; tell("reset"); });
  stream.addEventListener("change", ({ data }) => {
    heard = Date.now();
    // Nobody was told of what changed before the stream began.
    if (started) tell("change", JSON.parse(data));
    else tell("reset");
    started = true;
  });
  stream.addEventListener("error", () => {
    if (stream?.readyState !== EventSource.CLOSED) return;
    stream = null;
    setTimeout(follow, AGAIN_MS);
  });
}

function follow() {
  if (pages.size && !stream) open();
  if (pages.size || !stream) return;
  stream.close();
  stream = null;
}

function enter(page) {
  pages.add(page);
  if (stream && started) page.postMessage({ event: "reset" }); // what it missed is not known
  follow();
}

function leave(page) {
  pages.delete(page);
  setTimeout(follow, LINGER_MS);
}

self.addEventListener("connect", ({ ports: [page] }) => {
  page.addEventListener("message", ({ data: inView }) => (inView ? enter(page) : leave(page)));
  page.start();
});
setInterval(() => {
  if (Date.now() - heard > SILENT_MS) tell("reset");
}, POLL_MS);
