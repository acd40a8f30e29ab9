// The commands that fit what is typed into a text box. The text box keeps the focus; screen readers hear the chosen one.

import { el } from "./phone-dom.js";

let lists = 0;

export class Suggestions {
  // `onChoose(text)` gets the chosen command.
  constructor(input, onChoose) {
    this.input = input;
    this.onChoose = onChoose;
    this.node = el("div", { class: "suggestions", role: "listbox", id: `commands-${(lists += 1)}`, hidden: true });
    this.node.addEventListener("mousedown", (event) => event.preventDefault()); // the text box keeps the focus
    this.node.addEventListener("click", (event) => this.choose(event.target.closest("[role=option]")));
    input.addEventListener("blur", () => this.offer([]));
  }

  offer(commands) {
    this.chosen = null;
    this.input.removeAttribute("aria-activedescendant");
    const options = commands.map(({ command, description }, at) => {
      const action = `command:/${command}`;
      const attributes = {
        role: "option",
        id: `${this.node.id}-${at}`,
        "aria-selected": "false",
        "data-action": action,
      };
      return el("div", attributes, el("b", {}, `/${command}`), el("span", {}, description));
    });
    this.node.replaceChildren(...options);
    this.node.hidden = !options.length;
    if (options.length) this.input.setAttribute("aria-controls", this.node.id);
    else this.input.removeAttribute("aria-controls");
  }

  // Acts on a key of the text box; true if it was one for the list.
  key({ key }) {
    if (this.node.hidden) return false;
    if (key === "ArrowDown" || key === "ArrowUp") this.move(key === "ArrowDown" ? 1 : -1);
    else if (key === "Escape") this.offer([]);
    else if (key === "Enter" && this.chosen) this.choose(this.chosen);
    else return false;
    return true;
  }

  move(by) {
    const options = [...this.node.children];
    const at = options.indexOf(this.chosen);
    const next = at < 0 && by < 0 ? options.length - 1 : (at + by + options.length) % options.length;
    this.chosen?.setAttribute("aria-selected", "false");
    this.chosen = options[next];
    this.chosen.setAttribute("aria-selected", "true");
    this.chosen.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", this.chosen.id);
  }

  choose(option) {
    if (!option) return;
    this.offer([]);
    this.onChoose(option.dataset.action.slice("command:".length));
  }
}
