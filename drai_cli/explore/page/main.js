// The page: its views, and what changes by itself (directions that are found, the model of a run, its progress).

import * as map from "./map.js";
import { $, ask, complain, say } from "./parts.js";
import * as samples from "./samples.js";
import * as swap from "./swap.js";

const VIEWS = ["samples", "swap", "map", "training"];
let shown = { model: null, hasDirections: false, progress: "" };
let isGone = false;

function open(view) {
  for (const name of VIEWS) {
    const isOpen = name === view;
    $(name).hidden = !isOpen;
    $(`tab-${name}`).setAttribute("aria-selected", String(isOpen));
    $(`tab-${name}`).tabIndex = isOpen ? 0 : -1;
  }
  say("");
  if (view === "map") map.open();
}

for (const name of VIEWS) {
  $(`tab-${name}`).addEventListener("click", () => open(name));
  $(`tab-${name}`).addEventListener("keydown", (event) => {
    const there = VIEWS.filter((view) => !$(`tab-${view}`).hidden);
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const place = event.key === "Home" ? 0 : event.key === "End" ? there.length - 1 : step && (there.indexOf(name) + step + there.length) % there.length;
    if (place === undefined) return;
    event.preventDefault();
    open(there[place]);
    $(`tab-${there[place]}`).focus();
  });
}

// A file that is dropped beside the two places would replace the page.
for (const kind of ["dragover", "drop"]) {
  window.addEventListener(kind, (event) => {
    if (event.defaultPrevented || !event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    if (kind === "drop") say("Drop images on Image A or Image B in the view Swap.");
  });
}

samples.start((side) => {
  const { address, name } = samples.held();
  open("swap");
  $("tab-swap").focus();
  swap.takePicture(side, address, name);
});

async function showModel() {
  const model = await ask("api/model");
  const seen = model.images_seen ? `, ${Math.round(model.images_seen / 1000)} kimg` : "";
  $("name").textContent = model.name;
  document.title = `${model.name} · drai explore`;
  $("facts").textContent = `${model.size} × ${model.size} ${model.is_colour ? "RGB" : "grey"}${model.masks.length ? ` with masks (${model.masks.join(", ")})` : ""}, ${model.method}${seen}, ${model.licence || "licence not stated"}; computed on ${model.device}; drai ${model.version}`;
  if (shown.model && shown.model !== model.model) say(`The run has written a better model${seen}.`);
  shown = { ...shown, model: model.model, hasDirections: model.has_directions, failure: model.failure };
  samples.show(model);
  swap.show(model);
  map.show(model);
  if (!$("map").hidden) map.open();
}

function showProgress(stamp) {
  if (!stamp || stamp === shown.progress) return;
  const frame = $("progress");
  const top = frame.contentWindow?.scrollY ?? 0;
  frame.addEventListener("load", () => frame.contentWindow.scrollTo(0, top), { once: true });
  frame.src = `progress?${stamp}`;
  frame.hidden = false;
  $("no-progress").hidden = true;
  shown.progress = stamp;
}

async function watch() {
  let pause = 10000;
  try {
    const status = await ask("api/status");
    if (isGone) { isGone = false; complain("server", null); }
    $("found").value = status.share_found;
    $("tab-training").hidden = !status.is_run;
    showProgress(status.progress);
    if (status.model === null) {
      $("name").textContent = "The run has no model yet";
      if (shown.model === null && $("training").hidden) open("training");
    } else if (status.model !== shown.model || status.has_directions !== shown.hasDirections || (status.failure && !shown.failure)) {
      await showModel();
    }
    pause = !status.has_directions && !status.failure ? 700 : status.is_run ? 3000 : 10000;
  } catch (error) {
    isGone = Boolean(error.isGone);
    complain("server", error);
    pause = 3000;
  }
  setTimeout(watch, pause);
}

watch();
