// Where a published page's figures come from: scripts beside it, as a file may not fetch another.
// Each hands the answers that the service gave, packed, by what is picked.

const waiting = new Map();
const loaded = new Map();
const root = new URL(document.body.dataset.root || ".", location.href);

window.published = (name, content) => waiting.get(name)?.(content);

function load(address) {
  const name = address.pathname.split("/").at(-1).replace(/\.js$/, "");
  if (!loaded.has(address.href)) {
    loaded.set(address.href, new Promise((resolve, reject) => {
      waiting.set(name, resolve);
      const script = Object.assign(document.createElement("script"), { src: address.href });
      script.addEventListener("error", () => reject(new Error(`${name}.js is missing`)));
      document.head.append(script);
    }));
  }
  return loaded.get(address.href);
}

async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return JSON.parse(await new Response(stream).text());
}

export async function answerOf(given) {
  const address = new URL(given, location.href);
  const asked = address.searchParams;
  address.hash = "";
  try {
    const file = new URL(address);
    file.search = "";
    const { picks, answers } = await load(file);
    const chosen = [...picks].sort().filter((name) => asked.get(name));
    const answer = answers[chosen.map((name) => `${name}=${asked.get(name)}`).join("&")];
    if (!answer) return { empty: "This choice was not published: the service has it." };
    return { ...await unpack(answer.packed), files: answer.files };
  } catch (error) {
    return { empty: `This figure cannot be read (${error.message}).` };
  }
}

export function fileOf({ files }, format) {
  return files?.[format] ? new URL(files[format], root) : null;
}
