// Parts that the panels share: orders to the sandbox, lists that keep their nodes, notices.

import { make } from "./api.js";

export const find = (id) => document.getElementById(id);

// Runs a button's action; a failure is shown in the panel's line for answers.
export async function order(button, work) {
  const line = button.closest(".panel, .top, .people, .tour")?.querySelector(".answer") ?? find("answer");
  button.setAttribute("aria-busy", "true");
  try {
    tell(line, (await work()) || "");
  } catch (error) {
    tell(line, error.message, true);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

const clearing = new WeakMap();

function tell(line, words, isError = false) {
  clearTimeout(clearing.get(line));
  line.textContent = words;
  line.classList.toggle("bad", isError);
  if (words) clearing.set(line, setTimeout(() => tell(line, ""), isError ? 12_000 : 5000));
}

// Shows `items` as the children of `list`. A node stays as long as its key is there, so that focus, selection and the
// pointer's target survive an update. `create(item)` makes a node, `update(node, item)` fills it.
export function keep(list, items, key, create, update) {
  const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
  let before = null;
  for (const item of items) {
    const name = String(key(item));
    const node = known.get(name) ?? Object.assign(create(item), {});
    node.dataset.key = name;
    known.delete(name);
    update(node, item);
    const place = before ? before.nextElementSibling : list.firstElementChild;
    if (place !== node) list.insertBefore(node, place);
    before = node;
  }
  for (const node of known.values()) node.remove();
}

// Sets a text only if it differs: screen readers and selections notice each change.
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A row of switches for faults, and a line that says what one means: the one under the pointer or with the focus, else
// the last one that is on. Each: {id, label, means, run} or {id, label, means, on(behaviour), change(isOn)}.
export class Faults {
  constructor(list, faults, send) {
    this.behaviour = {};
    this.means = make("p", { className: "means" });
    this.means.setAttribute("aria-hidden", "true"); // each button is described by its own text
    this.buttons = new Map();
    for (const fault of faults) {
      const button = make("button", { type: "button", className: "fault", id: fault.id, textContent: fault.label });
      button.setAttribute("aria-description", fault.means);
      button.addEventListener("click", () =>
        order(button, () => (fault.run ? fault.run() : send(fault.change(!fault.on(this.behaviour))))));
      for (const event of ["pointerenter", "focus"]) button.addEventListener(event, () => this.explain(fault));
      for (const event of ["pointerleave", "blur"]) button.addEventListener(event, () => this.explain());
      this.buttons.set(fault, button);
      list.append(make("li", {}, button));
    }
    list.after(this.means);
    this.explain();
  }

  show(behaviour) {
    this.behaviour = behaviour;
    for (const [fault, button] of this.buttons) {
      if (fault.on) button.setAttribute("aria-pressed", String(Boolean(fault.on(behaviour))));
    }
    this.explain(this.explained);
  }

  explain(fault) {
    this.explained = fault;
    const isOn = [...this.buttons.keys()].findLast((each) => each.on?.(this.behaviour));
    const shown = fault ?? isOn;
    write(this.means, shown ? `${shown.label}: ${shown.means}` : "See what the bot does when something goes wrong.");
  }
}

export const seconds = (number) => (number < 10 ? number.toFixed(1) : String(Math.round(number)));
