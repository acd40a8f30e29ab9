// The LMS's panel: its batches, the register as the bot fills it, and faults.

import { make, post } from "./api.js";
import { Faults, find, keep, write } from "./ui.js";

const FAULTS = [
  {
    id: "lms-down", label: "LMS down", means: "connections are cut. The class goes on; marks are kept and sent later.",
    on: ({ down }) => down, change: (on) => ({ down: on }),
  },
  {
    id: "lms-slow", label: "Slow, 3 s", means: "each answer takes three seconds longer.",
    on: ({ slow_ms: delay }) => delay > 0, change: (on) => ({ slow_ms: on ? 3000 : 0 }),
  },
  {
    id: "lms-lost", label: "Lose an answer", means: "the next write is stored, but its answer is cut. The bot writes again, into the same record.",
    on: ({ drop_answers: left }) => left > 0, change: (on) => ({ drop_answers: on ? 1 : 0 }),
  },
  {
    id: "lms-ignored", label: "Ignore a write", means: "the next write is answered with yes and not stored. The bot reads back a minute later, and writes again.",
    on: ({ ignored }) => ignored > 0, change: (on) => ({ ignored: on ? 1 : 0 }),
  },
];

export class LmsPanel {
  constructor() {
    this.faults = new Faults(find("lms-faults"), FAULTS, (changes) => post("/lms/behaviour", changes).then(() => ""));
  }

  apply({ batches, records, behaviour }) {
    this.faults.show(behaviour);
    const state = behaviour.down ? "down" : behaviour.slow_ms ? "slow" : "up";
    find("lms-state").dataset.state = state;
    write(find("lms-state"), state);
    keep(find("registers"), batches, ({ batch }) => batch, registerOf, (node, each) => fill(node, each, records));
  }
}

function registerOf() {
  const table = make("table", {}, make("caption"), make("thead"), make("tbody"));
  return make("li", { className: "register" }, table, make("small", { className: "writes" }));
}

// One batch: a line for each student, a column for each record.
function fill(node, { batch, students }, records) {
  const own = records.filter((record) => record.batch === batch);
  node.classList.toggle("wide", own.length > 1);
  write(node.querySelector("caption"), own.length ? batch : `${batch}, nothing recorded`);
  const titles = own.map(({ subject, date }) => `${subject}, ${date.slice(5).split("-").reverse().join(".")}`);
  const head = ["Student", ...titles].map((title) => make("th", { scope: "col", textContent: title }));
  replace(node.querySelector("thead"), make("tr", { hidden: !own.length }, ...head));
  keep(node.querySelector("tbody"), students, ({ id }) => id, () => make("tr"), (row, student) => {
    const cells = [make("th", { scope: "row", textContent: student.name, title: student.id })];
    for (const record of own) cells.push(cell(record.students[student.id]));
    if (row.dataset.shown === JSON.stringify(cells.map((each) => each.textContent))) return;
    row.dataset.shown = JSON.stringify(cells.map((each) => each.textContent));
    row.replaceChildren(...cells);
  });
  const writes = own.reduce((sum, record) => sum + record.writes, 0);
  write(node.querySelector(".writes"), writes ? `${writes} ${writes === 1 ? "write" : "writes"} by the bot` : "");
}

function cell(status) {
  if (status === undefined) return make("td", { textContent: "\u2013" });
  const word = status ? "present" : "absent";
  return make("td", {}, make("span", { className: `status ${word}`, textContent: word }));
}

function replace(parent, child) {
  if (parent.textContent !== child.textContent || !parent.firstElementChild) parent.replaceChildren(child);
}
