// Parallel coordinates: what is dragged over an axis keeps the trials that pass there.

const DIMMED = { color: "#888888", width: 1 };
// How far beside an axis a drag still means it, as a share of the distance of two.
const NEAR = 0.2;

// The lines of all traces, worst first; each trace has those of trials of about one rank.
function linesOf({ data, layout }) {
  const axes = layout.xaxis.tickvals.length;
  return data.flatMap((trace) => trace.meta.map((id, k) => {
    const start = k * (axes + 1);
    return { id, trace, heights: trace.y.slice(start, start + axes) };
  }));
}

function traceOf(lines, look) {
  const x = lines.flatMap(({ heights }) => [...heights.keys(), null]);
  const y = lines.flatMap(({ heights }) => [...heights, null]);
  return { ...look, x, y };
}

function axesUnder([from, to], count) {
  const all = [...Array(count).keys()];
  const under = all.filter((axis) => axis >= from - NEAR && axis <= to + NEAR);
  const nearest = Math.min(Math.max(Math.round((from + to) / 2), 0), count - 1);
  return under.length ? under : [nearest];
}

function brush(figure, panel) {
  const canvas = figure.querySelector(".canvas");
  const [status, button] = panel.children;
  const brushes = new Map(); // by axis: lower and upper end

  async function apply() {
    await Plotly.relayout(canvas, { dragmode: false }); // takes the outline of the selection away
    const { data, layout } = figure.drawn;
    const lines = linesOf(figure.drawn);
    const passes = ({ heights }) => [...brushes].every(
      ([axis, [low, high]]) => heights[axis] >= low && heights[axis] <= high,
    );
    const kept = lines.filter(passes);
    const rest = traceOf(lines.filter((line) => !passes(line)), { ...data[0], line: DIMMED, opacity: 0.15 });
    const bright = data.map((trace) => traceOf(kept.filter((line) => line.trace === trace), trace));
    const bars = [...brushes].map(([axis, [low, high]]) => ({
      type: "rect", xref: "x", yref: "y", x0: axis - 0.05, x1: axis + 0.05, y0: low, y1: high,
      fillcolor: "#E69F00", opacity: 0.5, line: { width: 0 },
    }));
    const changes = { dragmode: layout.dragmode, shapes: [...layout.shapes, ...bars], selections: [] };
    Plotly.react(canvas, [rest, ...bright], { ...canvas.layout, ...changes });
    button.hidden = brushes.size === 0;
    status.textContent = brushes.size ? `${kept.length} of ${lines.length} trials pass.` : "";
    if (brushes.size && kept.length) status.append(" The best of them: ", linkTo(kept.at(-1).id));
  }

  function take(selection) {
    if (!selection?.range) return;
    const count = figure.drawn.layout.xaxis.tickvals.length;
    const ends = (name) => [...selection.range[name]].sort((a, b) => a - b);
    axesUnder(ends("x"), count).forEach((axis) => brushes.set(axis, ends("y")));
    setTimeout(apply); // once Plotly is done with its selection
  }

  figure.addEventListener("drawn", () => {
    canvas.removeAllListeners("plotly_selected"); // it is another one after the figure made room
    canvas.on("plotly_selected", take);
    if (brushes.size) apply();
  });
  button.addEventListener("click", () => {
    brushes.clear();
    apply();
  });
}

function linkTo(trial) {
  const href = `${document.body.dataset.base}/view/trials/${encodeURIComponent(trial)}`;
  return Object.assign(document.createElement("a"), { href, textContent: trial });
}

const panel = document.querySelector("[data-brushes]");
if (panel) brush(document.getElementById(panel.dataset.brushes), panel);
