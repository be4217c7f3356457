// Samples: choices, the grid, the held picture, the sliders, and what is kept.

import { $, afterPause, ask, complain, latest, make, number, say } from "./parts.js";

const state = { model: null, held: { label: "", index: 0 }, amounts: { content: [], style: [] } };
const CODES = { content: "Content", style: "Style" };

/** The picture that is held, for the Swap view. */
export const held = () => ({ address: $("held-picture").src, name: `${state.held.label} ${state.held.index}.png` });

export function start(useInSwap) {
  const all = () => { closeStrips(); redraw(); command(); };
  // Before the grid answers, so that a slider that moves meanwhile turns a picture of this label.
  $("label").addEventListener("change", () => { if ($("label").value) state.held = { label: $("label").value, index: 0 }; });
  for (const id of ["label", "seed", "count"]) $(id).addEventListener("change", all);
  $("truncation").addEventListener("input", () => { $("truncation-shown").value = number(Number($("truncation").value)); soon(); });
  $("attributes").addEventListener("change", all);
  $("choices").addEventListener("submit", (event) => event.preventDefault());
  $("another-seed").addEventListener("click", () => { $("seed").value = Math.floor(Math.random() * 1e6); all(); });
  $("reset").addEventListener("click", () => { setSliders(() => 0); soon(); hold(); });
  $("keep").addEventListener("submit", keep);
  for (const id of ["keep-count", "keep-out", "keep-format"]) $(id).addEventListener("input", () => { complain(keep, null); command(); });
  $("copy").addEventListener("click", copy);
  $("swap-held-a").addEventListener("click", () => useInSwap("a"));
  $("swap-held-b").addEventListener("click", () => useInSwap("b"));
}

/** Shows a model: at the start, and when the run has written a better one. */
export function show(model) {
  const isFirst = state.model === null;
  state.model = model;
  if (isFirst) {
    $("label").append(
      ...model.labels.map((one) => make("option", { value: one.value }, one.also.length ? `${one.value} (${one.also[0]})` : one.value)),
      make("option", { value: "" }, "every label in turn"),
    );
    $("attributes").append(...model.attributes.map(showAttribute));
    $("keep-format").append(...model.formats.map((name) => make("option", {}, name)));
    for (const id of ["held-masks", "with-masks"]) $(id).hidden = !model.masks.length;
    for (const id of ["swap-held-a", "swap-held-b"]) $(id).hidden = !model.can_swap;
    for (const id of ["held-picture", "walk-picture", "point-picture"]) { $(id).width = model.size; $(id).height = model.size; }
  }
  showSliders();
  redraw();
  command();
}

function showAttribute(one) {
  const id = `attribute-${one.name}`;
  const input = one.mean === null
    ? make("select", { id }, make("option", { value: "" }, "not set"), ...one.values.map((value) => make("option", { value }, value)))
    : make("input", { id, type: "number", step: "any", placeholder: "not set" });
  input.dataset.name = one.name;
  return make("div", {}, make("label", { for: id }, one.mean === null ? one.name : `${one.name} (mean ${number(one.mean, 1)})`), input);
}

// Sliders

function showSliders() {
  const { directions, reach, has_directions: isFound, failure } = state.model;
  $("finding").hidden = isFound;
  if (failure) $("finding").textContent = `No directions were found: ${failure}`;
  $("reset").disabled = !isFound;
  if (!isFound) return;
  const before = state.amounts;
  state.amounts = {};
  $("sliders").replaceChildren(...Object.entries(CODES).map(([code, title]) => {
    state.amounts[code] = directions[code].map((_, index) => before[code]?.[index] ?? 0);
    return make("fieldset", { class: "sliders" }, make("legend", {}, title, " ", make("span", { class: "aside" }, `%: share of what ${code} changes in images`)), ...directions[code].map((one, index) => showSlider(code, one, index, reach)));
  }));
}

function showSlider(code, one, index, reach) {
  const id = `${code}-${index}`;
  const name = `${CODES[code]} ${index + 1}${one.name ? `: ${one.name}` : ""}`;
  const shown = make("output", { for: id, id: `${id}-shown` }, number(state.amounts[code][index]));
  const strip = make("ul", { class: "strip", id: `${id}-strip`, hidden: true, "aria-label": `${name} from −${reach} to ${reach}` });
  const button = make("button", { type: "button", "aria-expanded": "false", "aria-controls": `${id}-strip`, "aria-label": `Show all of ${name}` }, "Show");
  const input = make("input", { id, type: "range", min: -reach, max: reach, step: 0.1, value: state.amounts[code][index], "aria-describedby": `${id}-ends` });
  const describe = () => {
    const amount = state.amounts[code][index];
    shown.value = number(amount);
    const end = amount < 0 ? one.low : amount > 0 ? one.high : "";
    input.setAttribute("aria-valuetext", `${number(amount)} standard deviations${end ? `, ${end}` : ""}`);
  };
  input.addEventListener("input", () => { state.amounts[code][index] = Number(input.value); describe(); warnOfFar(); hold(); soon(); });
  button.addEventListener("click", () => toggleStrip(button, strip, name, code, index));
  describe();
  const share = `${Math.round(100 * one.share)} % of change`;
  return make("div", { class: "slider" },
    make("div", { class: "top" }, make("label", { for: id }, name), shown, button),
    input,
    make("div", { class: "ends", id: `${id}-ends` }, make("span", {}, one.low || "−"), make("span", { class: "aside" }, share), make("span", {}, one.high || "+")),
    strip);
}

function setSliders(value) {
  for (const code of Object.keys(CODES)) {
    (state.amounts[code] || []).forEach((_, index) => {
      state.amounts[code][index] = value(code, index);
      const input = $(`${code}-${index}`);
      input.value = state.amounts[code][index];
      $(`${code}-${index}-shown`).value = number(state.amounts[code][index]);
      input.setAttribute("aria-valuetext", "0 standard deviations");
    });
  }
  warnOfFar();
}

/** Says so where the sliders lead together out of what the model was trained to make. */
function warnOfFar() {
  const far = Object.keys(CODES).map((code) => [code, Math.hypot(...state.amounts[code])]).filter(([, distance]) => distance > state.model.usual);
  const listed = far.map(([title, distance]) => `${title} by ${number(distance, 1)}`).join(", ");
  const text = far.length ? `The sliders together are far from the middle (${listed} standard deviations in all; usual: up to ${number(state.model.usual)}). Pictures may look like nothing real. Move sliders back, or lower the truncation.` : "";
  if ($("far").textContent !== text) $("far").textContent = text;
}

async function toggleStrip(button, strip, name, code, index) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  button.textContent = isOpen ? "Show" : "Hide";
  button.setAttribute("aria-label", `${button.textContent} all of ${name}`);
  strip.hidden = isOpen;
  if (isOpen) return;
  try {
    const { images } = await ask("api/strip", { ...ofHeld(), code, direction: index });
    strip.replaceChildren(...images.map((one, place) => {
      const at = number(state.model.strip[place], 1);
      return make("li", {}, make("img", { src: one.picture, alt: `at ${at}${one.judged ? `, judged ${one.judged}` : ""}`, width: state.model.size, height: state.model.size }), make("span", { class: "aside", "aria-hidden": "true" }, at));
    }));
    complain(toggleStrip, null);
  } catch (error) { complain(toggleStrip, error); }
}

// Choices and pictures

function choice() {
  const attributes = {};
  for (const input of $("attributes").querySelectorAll("select, input")) if (input.value !== "") attributes[input.dataset.name] = input.value;
  const seed = Number($("seed").value);
  return {
    label: $("label").value, attributes, seed: Number.isInteger(seed) ? seed : -1,
    truncation: Number($("truncation").value), amounts: state.amounts,
  };
}

const ofHeld = () => ({ ...choice(), label: state.held.label || $("label").value, first: state.held.index, count: 1 });

const redraw = latest(async () => {
  $("grid").classList.add("stale");
  const chosen = choice();
  const { images } = await ask("api/grid", { ...chosen, count: Number($("count").value) });
  if (chosen.label && state.held.label !== chosen.label) state.held = { label: chosen.label, index: 0 };
  if (!images.some(isHeld)) state.held = { label: images[0].label, index: images[0].index };
  const focused = [...$("grid").querySelectorAll("button")].indexOf(document.activeElement);
  $("grid").replaceChildren(...images.map(showSample));
  if (focused >= 0) $("grid").querySelectorAll("button")[focused]?.focus();
  showHeld(images.find(isHeld));
  $("grid").classList.remove("stale");
});

const soon = afterPause(() => { redraw(); command(); }, 250);

const isHeld = (one) => one.label === state.held.label && one.index === state.held.index;

function showSample(one) {
  const button = make("button", { type: "button", "aria-pressed": String(isHeld(one)) },
    make("img", { src: one.picture, alt: `Synthetic ${one.label}, number ${one.index}`, width: state.model.size, height: state.model.size }),
    make("span", { class: "aside" }, caption(one)));
  button.addEventListener("click", () => {
    state.held = { label: one.label, index: one.index };
    for (const other of $("grid").querySelectorAll("button")) other.setAttribute("aria-pressed", String(other === button));
    showHeld(one);
    closeStrips();
    say(`Held: ${one.label}, number ${one.index}`);
  });
  return make("li", {}, button);
}

/** Closes the strips, which show the picture that was held. */
function closeStrips() {
  for (const open of $("sliders").querySelectorAll("[aria-expanded=true]")) open.click();
}

const caption = (one) => `${one.label} ${one.index}${one.judged ? `, judged ${one.judged}` : ""}`;

function showHeld(one) {
  $("held-picture").src = one.picture;
  $("held-picture").hidden = false;
  $("held-picture").alt = `Held: synthetic ${one.label}, number ${one.index}`;
  $("held-caption").textContent = `${caption(one)} (held)`;
  $("held-masks").replaceChildren(...one.masks.map((picture, place) => {
    const name = state.model.masks[place];
    return make("li", {}, make("img", { src: picture, alt: `Mask ${name}`, width: state.model.size, height: state.model.size }), make("span", { class: "aside", "aria-hidden": "true" }, `mask ${name}`));
  }));
  $("save").href = one.picture;
  $("save").download = `${one.label}_${String(one.index).padStart(6, "0")}.png`.replace(/[^\w.-]/g, "_");
  $("save").hidden = false;
}

// Times from a slider to its picture, for whoever measures them.
window.times = [];

const hold = latest(async () => {
  const began = performance.now();
  const { images } = await ask("api/grid", ofHeld());
  if (!isHeld(images[0])) return;  // another one was held meanwhile
  showHeld(images[0]);
  await $("held-picture").decode();
  window.times.push(performance.now() - began);
  if (window.times.length > 1000) window.times.shift();
});

// Keep

const wanted = () => ({ ...choice(), keep: Number($("keep-count").value), out: $("keep-out").value, format: $("keep-format").value });

const command = latest(async () => {
  $("keep-count-label").textContent = $("label").value ? "Images" : "Images of each label";
  $("command").textContent = (await ask("api/command", wanted())).command;
});

async function keep(event) {
  event.preventDefault();
  $("keep-go").disabled = true;
  $("kept").textContent = "Writing…";
  complain(keep, null);
  const counting = setInterval(count, 1000);
  try {
    const made = await ask("api/keep", wanted());
    $("kept").textContent = `${made.images} images are in ${made.folder} (${made.seconds} s).`;
  } catch (error) {
    $("kept").textContent = "";
    complain(keep, error);
  }
  clearInterval(counting);
  $("keep-go").disabled = false;
}

/** Shows how much of the data set is written. */
async function count() {
  const { kept } = await ask("api/status").catch(() => ({}));
  if (kept && $("keep-go").disabled) $("kept").textContent = `Writing: ${kept[0]} of ${kept[1]} images…`;
}

async function copy() {
  try {
    // A browser may ask for leave, and wait for an answer.
    const late = new Promise((_, reject) => setTimeout(reject, 1500));
    await Promise.race([navigator.clipboard.writeText($("command").textContent), late]);
    $("copied").value = "The command is copied.";
  } catch {
    getSelection().selectAllChildren($("command"));
    $("copied").value = "The command is selected: copy it with the keyboard.";
  }
}
