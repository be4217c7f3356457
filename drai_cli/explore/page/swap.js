// Swap: two images, the four pictures, and the walk between them.

import { $, ask, complain, latest, make, number, say } from "./parts.js";

const state = { model: null, a: null, b: null };

export function show(model) {
  const isFirst = state.model === null;
  const isOther = !isFirst && state.model.model !== model.model;
  state.model = model;
  if (!isFirst) {
    if (isOther) for (const side of ["a", "b"]) if (state[side]) read(side);
    return;
  }
  const size = `${model.upload_bytes / (1 << 20)} MiB`;
  const memory = model.is_upload_in_memory
    ? "They stay in the memory of this machine and are never written."
    : "On this system each is written to a private temporary file while it is read, and removed at once.";
  $("swap-note").textContent = model.can_swap
    ? `Choose two images, or drop them: PNG, JPEG, TIFF, DICOM (a series as a zip), NIfTI; at most ${size} each. ${memory}`
    : "This model has no encoder, so it takes no images. (An .onnx model needs its .encoder.onnx beside it.)";
  if (!model.can_swap) return;
  $("pair").append(...["a", "b"].map(showSide));
  for (const input of document.querySelectorAll("input[name=along]")) input.addEventListener("change", () => { walkStrip(); walk(); });
  $("position").addEventListener("input", walk);
  $("walk").addEventListener("submit", (event) => event.preventDefault());
}

function showSide(side) {
  const name = side.toUpperCase();
  const file = make("input", { type: "file", id: `file-${side}` });
  const frame = make("input", { type: "number", id: `frame-${side}`, min: 0, step: 1, placeholder: "only" });
  const window_ = make("input", { type: "text", id: `window-${side}`, placeholder: "auto", spellcheck: "false" });
  const label = make("select", { id: `label-${side}` }, ...state.model.labels.map((one) => make("option", {}, one.value)));
  const area = make("section", { class: "drop", "aria-labelledby": `title-${side}` },
    make("h3", { id: `title-${side}` }, `Image ${name}`),
    make("label", { for: `file-${side}` }, `File of image ${name}`), file,
    make("div", { class: "inner" },
      make("div", {}, make("label", { for: `frame-${side}` }, "Frame "), frame),
      make("div", {}, make("label", { for: `window-${side}` }, "Window "), window_),
      state.model.infers_content ? null : make("div", {}, make("label", { for: `label-${side}` }, "Label "), label)),
    make("figure", { class: "held" }, make("img", { id: `picture-${side}`, alt: "", hidden: true, width: state.model.size, height: state.model.size }), make("figcaption", { id: `caption-${side}` }, "No image yet.")));
  file.addEventListener("change", () => { if (file.files[0]) take(side, file.files[0]); });
  frame.addEventListener("change", () => { if (state[side]) read(side); });
  window_.addEventListener("change", () => { if (state[side]) read(side); });
  label.addEventListener("change", swap);
  area.addEventListener("dragover", (event) => { event.preventDefault(); area.classList.add("over-it"); });
  area.addEventListener("dragleave", () => area.classList.remove("over-it"));
  area.addEventListener("drop", (event) => {
    event.preventDefault();
    area.classList.remove("over-it");
    if (event.dataTransfer.files[0]) take(side, event.dataTransfer.files[0]);
  });
  return area;
}

/** Takes a file, or a picture of the Samples view. */
export function take(side, file) {
  state[side] = { file, codes: null };
  $(`frame-${side}`).value = "";
  return read(side);
}

export function takePicture(side, address, name) {
  const raw = atob(address.split(",")[1]);
  return take(side, new File([Uint8Array.from(raw, (letter) => letter.charCodeAt(0))], name, { type: "image/png" }));
}

async function read(side) {
  const { file } = state[side];
  const name = side.toUpperCase();
  state[side].codes = null;
  $(`caption-${side}`).textContent = "Reading…";
  const query = new URLSearchParams({ name: file.name, frame: $(`frame-${side}`).value, window: $(`window-${side}`).value });
  try {
    if (file.size > state.model.upload_bytes) throw new Error(`${file.name}: expected at most ${state.model.upload_bytes / (1 << 20)} MiB, got ${Math.ceil(file.size / (1 << 20))}.`);
    const found = await ask(`api/read?${query}`, null, { body: file });
    if (state[side].file !== file) return;
    state[side].codes = found;
    $(`picture-${side}`).src = found.picture;
    $(`picture-${side}`).hidden = false;
    $(`picture-${side}`).alt = `Image ${name}: ${found.name}`;
    $(`caption-${side}`).textContent = [`${found.name} (${found.kind}, ${found.size.join(" × ")})`, found.judged && `judged ${found.judged}`, ...found.changes].filter(Boolean).join("; ");
    complain(name, null);
    say(`Image ${name} is read.`);
    await swap();
  } catch (error) {
    $(`picture-${side}`).hidden = true;
    $(`caption-${side}`).textContent = "Not read.";
    say("");
    complain(name, error);
  }
  $("swapped").hidden = !(state.a?.codes && state.b?.codes);
}

function pair() {
  const two = {};
  for (const side of ["a", "b"]) {
    two[`content_${side}`] = state[side].codes.content;
    two[`style_${side}`] = state[side].codes.style;
    if (!state.model.infers_content) two[`label_${side}`] = $(`label-${side}`).value;
  }
  return two;
}

const swap = latest(async () => {
  if (!(state.a?.codes && state.b?.codes)) return;
  const made = await ask("api/swap", pair());
  const names = { a: stem(state.a.file.name), b: stem(state.b.file.name) };
  const files = { "A's content, B's style": `${names.a}_in_style_of_${names.b}`, "B's content, A's style": `${names.b}_in_style_of_${names.a}`, "A, reconstructed": `${names.a}_reconstructed`, "B, reconstructed": `${names.b}_reconstructed` };
  const shown = [
    ["Image A", state.a.codes.picture, state.a.codes.judged, "real"], ["Image B", state.b.codes.picture, state.b.codes.judged, "real"],
    ["A's content, B's style", made.a_in_style_of_b.picture, made.a_in_style_of_b.judged, "synthetic"],
    ["B's content, A's style", made.b_in_style_of_a.picture, made.b_in_style_of_a.judged, "synthetic"],
    ["A, reconstructed", made.a_again.picture, made.a_again.judged, "synthetic"],
    ["B, reconstructed", made.b_again.picture, made.b_again.judged, "synthetic"],
  ];
  $("four").replaceChildren(...shown.map(([title, picture, judged, kind]) => make("li", {},
    make("img", { src: picture, alt: `Picture: ${title}`, width: state.model.size, height: state.model.size }),
    make("span", { class: "aside" }, `${title}${judged ? `, judged ${judged}` : ""} `, kind === "real" ? null
      : make("a", { href: picture, download: `${files[title]}.png`, "aria-label": `Save ${title}` }, "Save")))));
  $("swapped").hidden = false;
  walkStrip();
  walk();
});

/** The name of a file without folder and suffix, as a part of another name. */
const stem = (name) => name.replace(/\.[^.]*$/, "").replace(/[^\w-]+/g, "_") || "image";

const along = () => document.querySelector("input[name=along]:checked").value;

const walk = latest(async () => {
  if (!(state.a?.codes && state.b?.codes)) return;
  const position = Number($("position").value);
  $("position-shown").value = number(position);
  const { images } = await ask("api/walk", { ...pair(), along: along(), position });
  $("walk-picture").src = images[0].picture;
  $("walk-picture").alt = `Along ${along()} at ${number(position)}`;
  $("walk-caption").textContent = `along ${along()}, ${number(position)}${images[0].judged ? `, judged ${images[0].judged}` : ""}`;
});

const walkStrip = latest(async () => {
  if (!(state.a?.codes && state.b?.codes)) return;
  const { images } = await ask("api/walk", { ...pair(), along: along() });
  $("walk-strip").replaceChildren(...images.map((one) => make("li", {},
    make("img", { src: one.picture, alt: `at ${number(one.position)}${one.judged ? `, judged ${one.judged}` : ""}`, width: state.model.size, height: state.model.size }),
    make("span", { class: "aside", "aria-hidden": "true" }, number(one.position)))));
});
