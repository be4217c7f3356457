// What the views share: asking the server, making elements, saying things.

export const $ = (id) => document.getElementById(id);

/** An element with attributes and children; text is never read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export function makeSvg(tag, attributes = {}) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function say(text) {
  $("said").textContent = text;
}

const complaints = new Map();

/**
 * Shows what went wrong with something, until that succeeds or is tried anew: the success of another thing, which may
 * answer later, leaves it.
 */
export function complain(about, error) {
  const of = error?.isGone ? "server" : about;
  complaints.delete(of);
  if (error) complaints.set(of, error.message);
  $("alert").textContent = [...complaints.values()].at(-1) ?? "";
}

/** Asks the server; raises an Error with the server's own words. */
export async function ask(name, data, more = {}) {
  let answer;
  try {
    answer = await fetch(name, data === undefined ? more : { method: "POST", body: JSON.stringify(data), ...more });
  } catch {
    throw Object.assign(new Error("The server has ended. Run drai explore again, and open the address that it prints."), { isGone: true });
  }
  let found;
  try {
    found = await answer.json();
  } catch {
    throw new Error(`The server answered ${answer.status}.`);
  }
  if (!answer.ok) throw new Error(found.hint ? `${found.error}\nHint: ${found.hint}` : found.error);
  return found;
}

/**
 * Runs an asynchronous function for the latest arguments only: while it runs, later calls replace each other.
 * So one picture at a time is asked for, however fast a slider moves.
 */
export function latest(run) {
  let waiting = null;
  let isRunning = false;
  return async (...given) => {
    waiting = given;
    if (isRunning) return;
    isRunning = true;
    while (waiting !== null) {
      const now = waiting;
      waiting = null;
      try {
        await run(...now);
        if (waiting === null) complain(run, null);
      } catch (error) {
        complain(run, error);
      }
    }
    isRunning = false;
  };
}

/** Waits until calls have stopped for some milliseconds. */
export function afterPause(run, pause) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => run(...given), pause);
  };
}

export function number(value, places = 2) {
  return String(Number(value.toFixed(places))).replace("-", "−");
}
