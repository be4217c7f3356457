// The map of codes: samples and real images as marks, one plane for each code.

import { $, ask, latest, make, makeSvg, number, say } from "./parts.js";

const SIDE = 400;
// Okabe and Ito's colours, told apart by most eyes; the eighth is grey.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#b8a800", "#808080"];
const state = { model: null, points: null, madeFor: "", marks: [] };

export function show(model) {
  const isFirst = state.model === null;
  state.model = model;
  if (!isFirst) return;
  $("colour").append(...[model.label, ...model.attributes.map((one) => one.name)].map((name) => make("option", { value: name }, name)));
  if (model.has_real) $("colour").append(make("option", { value: " kind" }, "sample or real"));
  $("colour").addEventListener("change", draw);
  $("point").addEventListener("input", () => choose(Number($("point").value)));
  $("map-choices").addEventListener("submit", (event) => event.preventDefault());
}

/** Called when the view is opened. */
export const open = latest(async () => {
  if (!state.model?.has_directions) { say("The map is made when the directions are found."); return; }
  if (state.madeFor === state.model.model) return;
  say("Drawing the map…");
  state.points = await ask("api/map", {});
  state.madeFor = state.model.model;
  $("point").max = state.points.names.length - 1;
  $("map-content").hidden = !state.points.places.content;
  draw();
  const real = state.points.names.length - state.points.samples;
  say(`${state.points.samples} samples${real ? ` and ${real} real images` : ""}`);
});

const isReal = (index) => index >= state.points.samples;
const valueOf = (index, name) => (name === " kind" ? (isReal(index) ? "real" : "sample") : state.points.values[index][name] ?? "");

function draw() {
  if (!state.points) return;
  const name = $("colour").value;
  const paint = painter(name);
  state.marks = [];
  for (const code of ["content", "style"]) {
    const places = state.points.places[code];
    if (places) $(`map-${code}`).querySelector("svg")?.remove();
    if (places) $(`map-${code}`).append(plane(code, places, (index) => paint.colour(valueOf(index, name))));
  }
  $("legend").replaceChildren(...paint.legend.map(([text, colour]) => {
    const key = makeSvg("svg", { viewBox: "0 0 14 14", "aria-hidden": "true" });
    key.append(makeSvg("circle", { cx: 7, cy: 7, r: 6, fill: colour }));
    return make("li", {}, key, ` ${text}`);
  }), ...(state.points.names.length > state.points.samples ? [make("li", {}, "circle: sample, square: real image")] : []));
}

/** Colours for the values of an attribute: one each, or from blue to orange for numbers. */
function painter(name) {
  const values = [...new Set(state.points.values.map((_, index) => valueOf(index, name)))].filter((value) => value !== "").sort();
  const numbers = values.map(Number);
  const isNumber = state.model.attributes.some((one) => one.name === name && one.mean !== null);
  if (isNumber && numbers.length) {
    const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
    const colour = (value) => (value === "" ? "#808080" : `hsl(${220 - 190 * ((Number(value) - low) / (high - low || 1))} 75% 50%)`);
    return { colour, legend: [[number(low), colour(low)], [number(high), colour(high)], ["not known", "#808080"]] };
  }
  const colour = (value) => (value === "" ? "#808080" : COLOURS[values.indexOf(value) % COLOURS.length]);
  const rest = state.points.values.some((_, index) => valueOf(index, name) === "") ? [["not known", "#808080"]] : [];
  return { colour, legend: [...values.map((value) => [value, colour(value)]), ...rest] };
}

function plane(code, places, colour) {
  const reach = Math.max(...places.flat().map(Math.abs)) || 1;
  const at = (place) => [SIDE / 2 + (place[0] / reach) * (SIDE / 2 - 10), SIDE / 2 - (place[1] / reach) * (SIDE / 2 - 10)];
  const svg = makeSvg("svg", { viewBox: `0 0 ${SIDE} ${SIDE}`, role: "img", "aria-label": `Map of ${code}: ${places.length} marks. The slider Point goes through them.` });
  places.forEach((place, index) => {
    const [x, y] = at(place);
    const mark = isReal(index)
      ? makeSvg("rect", { class: "code", x: x - 4, y: y - 4, width: 8, height: 8, fill: colour(index) })
      : makeSvg("circle", { class: "code", cx: x, cy: y, r: 4.5, fill: colour(index) });
    (state.marks[index] ??= []).push(mark);
    svg.append(mark);
  });
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const [x, y] = [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    let best = -1;
    let distance = 14 ** 2;
    places.forEach((place, index) => {
      const [px, py] = at(place);
      const own = (px - x) ** 2 + (py - y) ** 2;
      if (own < distance) [best, distance] = [index, own];
    });
    if (best >= 0) choose(best);
  };
  svg.addEventListener("pointermove", nearest);
  svg.addEventListener("pointerdown", nearest);
  return svg;
}

let chosen = -1;

function choose(index) {
  if (!state.points || index === chosen) return;
  for (const mark of state.marks[chosen] ?? []) mark.classList.remove("chosen");
  for (const mark of state.marks[index] ?? []) { mark.classList.add("chosen"); mark.parentNode.append(mark); }
  chosen = index;
  $("point").value = index;
  const known = Object.entries(state.points.values[index]).map(([name, value]) => `${name} ${value}`).join(", ");
  const text = `${isReal(index) ? state.points.names[index] : `sample ${index + 1}`}${known ? `: ${known}` : ""}`;
  $("point-shown").value = `${index + 1} of ${state.points.names.length}`;
  $("point").setAttribute("aria-valuetext", text);
  picture(index, text);
}

const picture = latest(async (index, text) => {
  const found = await ask("api/map-picture", { index });
  $("point-picture").src = found.picture;
  $("point-picture").hidden = false;
  $("point-picture").alt = text;
  $("point-caption").textContent = text;
});
