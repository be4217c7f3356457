// Checks of a page for people who hear it or see it badly; each gives what is wrong. Run in the page by a test.

function isShown(element) {
  return element.getClientRects().length > 0;
}

/** Controls without a name, images without a text, broken references, lists and headings out of order. */
function nameless() {
  const wrong = [];
  const named = (ids) => ids.split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join("");
  const name = (element) => (element.getAttribute("aria-label")
    || (element.labels && [...element.labels].map((label) => label.textContent).join(" "))
    || named(element.getAttribute("aria-labelledby") ?? "") || element.textContent || "").trim();
  const controls = "button, input, select, a[href], [role=tab], [role=tabpanel], progress, fieldset";
  for (const element of document.querySelectorAll(controls)) {
    if (isShown(element) && !name(element)) wrong.push(["no name", element.outerHTML.slice(0, 120)]);
  }
  for (const image of document.querySelectorAll("img")) if (isShown(image) && !image.alt) wrong.push(["no alt", image.id]);
  for (const frame of document.querySelectorAll("iframe")) if (!frame.title) wrong.push(["no title", frame.id]);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) wrong.push(["id twice", id]);
  for (const attribute of ["for", "aria-controls", "aria-describedby", "aria-labelledby"]) {
    for (const element of document.querySelectorAll(`[${attribute}]`)) {
      const missing = element.getAttribute(attribute).split(" ").filter((id) => !document.getElementById(id));
      if (missing.length) wrong.push([attribute, ...missing]);
    }
  }
  const levels = [...document.querySelectorAll("h1, h2, h3")].filter(isShown).map((element) => Number(element.tagName[1]));
  levels.forEach((level, place) => { if (place && level > levels[place - 1] + 1) wrong.push(["heading", level]); });
  for (const element of document.querySelectorAll("[tabindex]")) if (element.tabIndex > 0) wrong.push(["tabindex", element.id]);
  for (const list of document.querySelectorAll("ul, ol")) {
    for (const child of list.children) if (child.tagName !== "LI") wrong.push(["list", child.tagName]);
  }
  if (!document.documentElement.lang || !document.title) wrong.push(["page"]);
  return wrong;
}

/** Texts whose contrast with their ground is below 4.5 (WCAG 2.2, 1.4.3). */
function pale() {
  const parse = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const wrong = [];
  for (const element of document.querySelectorAll("main *")) {
    const hint = element.value === "" && element.placeholder;
    const hasText = hint || [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!isShown(element) || !hasText) continue;
    const two = [luminance(parse(getComputedStyle(element, hint ? "::placeholder" : null).color)), luminance(ground(element))].sort((a, b) => b - a);
    const ratio = (two[0] + 0.05) / (two[1] + 0.05);
    if (ratio < 4.5) wrong.push([element.tagName, element.id, element.textContent.slice(0, 30), ratio]);
  }
  return wrong;
}
