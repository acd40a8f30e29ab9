// The event log: what crossed a border between a person's phone, the bots, the portal and the LMS.

import { make, secondsOf, stayAtEnd } from "./api.js";
import { find } from "./ui.js";

const KEPT = 400;

export class EventLog {
  constructor(people) {
    this.list = find("log");
    this.last = 0;
    this.filter = find("log-person");
    this.loads = find("log-loads");
    stayAtEnd(this.list);
    this.offer(people);
    this.filter.addEventListener("change", () => this.sift());
    this.loads.addEventListener("change", () => this.list.classList.toggle("quiet", !this.loads.checked));
  }

  // The people by whom it can be filtered.
  offer(people) {
    const chosen = this.filter.value;
    const options = people.map(({ name }) => make("option", { value: name, textContent: name }));
    this.filter.replaceChildren(make("option", { value: "", textContent: "Everybody" }), ...options);
    this.filter.value = chosen;
  }

  add({ n, at, from, to, person, text, kind }) {
    if (n <= this.last) return; // it came before the connection was lost
    this.last = n;
    const route = make("span", { className: "route" }, make("b", { textContent: named(from) }),
      make("i", { textContent: " \u2192 " }), make("b", { textContent: named(to) }));
    const line = make("li", { className: `event ${kind}` }, make("time", { textContent: secondsOf(new Date(at)) }), " ", route,
      " ", make("span", { className: "who", textContent: person }), " ", make("span", { className: "what", textContent: text }));
    line.dataset.person = person;
    line.hidden = this.filter.value !== "" && this.filter.value !== person;
    this.list.append(line);
    while (this.list.children.length > KEPT) this.list.firstElementChild.remove();
  }

  sift() {
    for (const line of this.list.children) {
      line.hidden = this.filter.value !== "" && this.filter.value !== line.dataset.person;
    }
  }
}

// "bot.py (marker)" as "marker bot".
const named = (end) => end.replace(/^bot\.py(?: \((\w+)\))?$/, (_, kind) => (kind ? `${kind} bot` : "bot"));
