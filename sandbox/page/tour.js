// The guided tour and the page's first look. Steps tick themselves off by the server's facts; the next button pulses.

import { make, post } from "./api.js";
import { SCENES } from "./scenes.js";
import { happened, PARTS, steps } from "./tour_steps.js";
import { find, keep, order, seconds, write } from "./ui.js";

const ANSWER = 6000; // milliseconds within which a bot usually answers

export class Tour {
  constructor(sandbox, scenes, memory) {
    this.scenes = scenes;
    this.memory = memory;
    const { people } = sandbox;
    this.cast = {
      admin: people.find(({ role }) => role === "admin"),
      student: people.find(({ role }) => role === "student"),
      teacher: people.find(({ role }) => role === "teacher"),
    };
    this.steps = steps(this.cast, sandbox);
    this.facts = {};
    this.marks = [];
    this.pressed = new Map(); // by person and action: when
    this.texts = new Map(); // by person and bot: the bot's last message
    const { open = null, at = 0, skipped = [], news = "" } = memory.tour ?? {};
    Object.assign(this, { isOpen: open, at, skipped: new Set(skipped), news });
    this.build();
    this.draw();
  }

  build() {
    find("tour-start").addEventListener("click", () => this.start());
    find("tour-later").addEventListener("click", () => this.close());
    find("tour-close").addEventListener("click", () => this.close());
    find("tour-open").addEventListener("click", () => this.reopen());
    find("tour-skip").addEventListener("click", () => this.skip());
    find("tour-show").addEventListener("click", () => this.reveal());
    find("tour-over").addEventListener("click", () => this.startOver(find("tour-over")));
    // A phone draws itself anew at any time, so the next button is looked for after each change.
    const changes = { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "hidden", "disabled", "open"] };
    new MutationObserver(() => this.look()).observe(document.querySelector("main"), changes);
    document.querySelector("main").addEventListener("input", () => this.look());
    document.addEventListener("click", ({ target }) => {
      if (!this.target?.element.contains(target)) return;
      const { view, action, element } = this.target;
      this.pressed.set(nameOf(this.target), performance.now());
      if (element.dataset.action === action) this.pressed.set(`${view} ${action}`, performance.now());
      this.look();
    }, true);
  }

  start() {
    this.skipped.clear();
    Object.assign(this, { isOpen: true, at: 0, news: "" });
    this.scenes.open("marker", this.cast.admin.id);
    this.settle();
    find("tour-heading").focus();
  }

  // Begins again with empty phones; the page reloads as soon as it hears of it.
  async startOver(button) {
    this.memory.keep({ startsOver: true });
    await order(button, async () => {
      await post("/api/start-over");
      location.reload();
      return "";
    });
  }

  reopen() {
    this.isOpen = true;
    this.settle();
    find("tour-heading").focus();
  }

  close() {
    this.isOpen = false;
    this.save();
    this.draw();
    find("tour-open").focus();
  }

  skip() {
    this.skipped.add(this.step.id);
    this.news = "";
    this.settle();
  }

  get step() {
    return this.steps[this.at];
  }

  get isFinished() {
    return this.at >= this.steps.length;
  }

  isDone(step) {
    return step.facts.every((fact) => this.facts[fact]) || Boolean(this.facts[step.orElse]);
  }

  apply(facts) {
    const fresh = Object.keys(facts).filter((fact) => facts[fact] && !this.facts[fact]);
    const isFirst = !Object.keys(this.facts).length;
    this.facts = facts;
    if (fresh.length && !isFirst) this.news = this.wordsOf(fresh.at(-1)) || this.news;
    this.settle();
  }

  wordsOf(fact) {
    const mark = this.marks.at(-1);
    return happened(fact, { student: this.cast.student, seconds: mark ? seconds(mark.seconds) : "" }) ?? "";
  }

  // Goes on to the first step that is neither done nor skipped.
  settle() {
    const left = this.steps.findIndex((step) => !this.isDone(step) && !this.skipped.has(step.id));
    this.at = left < 0 ? this.steps.length : left;
    this.save();
    this.draw();
  }

  save() {
    if (this.isOpen === null) return; // a second tab that shows the first look forgets nothing of the tour in the first
    const { isOpen: open, at, news } = this;
    this.memory.keep({ tour: { open, at, news, skipped: [...this.skipped] } });
  }

  // The bot's last message in a chat tells which question it has asked.
  screen({ bot, person, screen }) {
    const last = screen.messages.findLast((message) => message.from === "bot");
    this.texts.set(`${person} ${bot}`, last?.text ?? "");
    this.look();
  }

  draw() {
    find("welcome").hidden = this.isOpen !== null;
    find("tour").hidden = !this.isOpen;
    const button = find("tour-open");
    const done = this.steps.filter((step) => this.isDone(step)).length;
    write(button, done && !this.isFinished ? `Tour: ${done} of ${this.steps.length}` : "Guided tour");
    button.hidden = this.isOpen !== false;
    keep(find("tour-steps"), this.steps, ({ id }) => id, () => make("li", {}, make("i"), make("span")), (node, step) => {
      const state = this.isDone(step) ? "done" : step === this.step ? "now" : this.skipped.has(step.id) ? "skipped" : "later";
      node.className = state;
      write(node.querySelector("i"), state === "done" ? "\u2713" : String(this.steps.indexOf(step) + 1));
      write(node.querySelector("span"), step.short);
      if (state === "now") node.setAttribute("aria-current", "step");
      else node.removeAttribute("aria-current");
    });
    write(find("tour-news"), this.news);
    find("tour-done").hidden = !this.isFinished;
    find("tour-step").hidden = this.isFinished;
    for (const id of ["tour-skip", "tour-show"]) find(id).hidden = this.isFinished;
    find("tour-over").hidden = !(done || this.skipped.size);
    if (!this.isFinished) {
      write(find("tour-number"), `Step ${this.at + 1} of ${this.steps.length}`);
      write(find("tour-title"), this.step.title);
      const parts = this.step.facts.length > 1 ? this.step.facts : [];
      keep(find("tour-parts"), parts, (fact) => fact, () => make("li"), (node, fact) => {
        node.className = this.facts[fact] ? "done" : "";
        write(node, `${this.facts[fact] ? "\u2713 " : ""}${PARTS[fact]}`);
      });
    } else write(find("tour-number"), "Done");
    this.look();
  }

  // Finds the next button, says what to do, and lets the button pulse, or what brings it into view.
  look() {
    if (this.looking) return;
    this.looking = requestAnimationFrame(() => {
      this.looking = null;
      const isOn = this.isOpen && !this.isFinished;
      const next = isOn ? this.next() : null;
      if (isOn) say(find("tour-do"), this.wordsFor(next));
      this.point(next ? this.inSight(next) : null);
      this.target = next;
      find("tour-show").disabled = !next;
    });
  }

  wordsFor(next) {
    if (next && this.scenes.scene !== this.step.scene) return "Now to the other product: press **The classroom**, at the top.";
    return next?.say ?? (this.waits ? (this.candidate.doing ?? "A moment: the bot answers.") : this.step.say);
  }

  // The next move. What was just pressed, and what comes before it, does not come again while the bot can still answer.
  next() {
    const now = performance.now();
    if (this.reached?.step !== this.step) this.reached = { step: this.step, move: this.step.moves.length, at: 0 };
    const at = this.step.moves.findIndex((move) => (this.candidate = this.resolved(move)));
    const found = at < 0 ? null : this.candidate;
    const isPressed = found && (this.since(nameOf(found), now) < ANSWER || this.since(`${found.view} ${found.action}`, now) < (found.takes ?? 0));
    if (found && at <= this.reached.move && !isPressed) Object.assign(this.reached, { move: at, at: now });
    this.waits = Boolean(found) && (isPressed || (at > this.reached.move && now - this.reached.at < ANSWER));
    clearTimeout(this.later);
    if (this.waits) this.later = setTimeout(() => this.look(), ANSWER / 4);
    else if (found) Object.assign(this.reached, { move: at, at: now });
    return this.waits ? null : found;
  }

  since(name, now) {
    return now - (this.pressed.get(name) ?? -Infinity);
  }

  // A move with its element, or null if there is nothing to press for it now.
  resolved(move) {
    if (move.when && !move.when(this.facts)) return null;
    if (move.view === "system") {
      const element = elementIn(find(SCENES[this.step.scene].panel), move.action);
      return element && { ...move, element };
    }
    if (move.watch) {
      const tab = this.scenes.isInView(move.view) ? null : this.scenes.tabOf(move.view);
      return tab && { ...move, element: tab };
    }
    const phone = this.scenes.get(move.view);
    const kind = this.scenes.kindOf(phone.person, this.step.scene);
    if (move.after && !move.after.test(this.texts.get(`${move.view} ${kind}`) ?? "")) return null;
    const element = onPhone(phone, kind, move.action);
    if (!element) return null;
    const menu = move.action.startsWith("link:") && find("open-as")?.querySelector(`[data-action="open-as:${this.cast.student.name}"]`);
    if (menu) return { ...move, element: menu, say: `Open it as **${this.cast.student.name}**.` };
    const isTyped = move.types && phone.chats.get(kind).node.querySelector("[data-action=message]")?.value.trim();
    const send = isTyped ? onPhone(phone, kind, "send") : null;
    return send ? { ...move, element: send, say: "**Send** it." } : { ...move, element };
  }

  inSight({ view, element }) {
    if (this.scenes.scene !== this.step.scene) return document.querySelector(`[data-scene="${this.step.scene}"]`);
    return this.scenes.isInView(view) ? element : this.scenes.tabOf(view);
  }

  point(element) {
    if (this.pointed === element && element?.classList.contains("pulse")) return;
    for (const each of document.querySelectorAll(".pulse")) each.classList.remove("pulse");
    this.pointed = element;
    element?.classList.add("pulse");
    // again a little later: a chat grows while its pictures load
    for (const delay of element ? [0, 500, 1500] : []) setTimeout(() => this.pointed === element && bringIntoView(element), delay);
  }

  // "Show me": brings the next button into view and moves the focus to it.
  reveal() {
    if (!this.target) return;
    if (this.scenes.scene !== this.step.scene) this.scenes.open(this.step.scene, this.target.view);
    if (!this.scenes.isInView(this.target.view)) this.scenes.show(this.target.view);
    this.target.element.scrollIntoView({ block: "nearest" });
    this.target.element.focus({ focusVisible: true });
  }
}

// The last button with this action that can be pressed; `root` itself may be out of view.
function elementIn(root, action) {
  const selector = action.endsWith("*") ? `[data-action^="${action.slice(0, -1)}"]` : `[data-action="${action}"]`;
  const usable = [...root.querySelectorAll(selector)].filter((element) => {
    const hidden = element.closest("[hidden]");
    return !element.disabled && (!hidden || hidden.contains(root));
  });
  return usable.at(-1) ?? null;
}

// What to press on a phone for an action in the chat with a bot: the chat's tab while another chat is in view, the close
// button of what lies over the chat, and for what is in the menu of attachments what leads there.
function onPhone(phone, kind, action) {
  const chat = phone.chats.get(kind);
  const way = action.startsWith("note:") ? [action, "attach:note", "attach"] : [action];
  const inChat = way.map((each) => elementIn(chat.node, each)).find(Boolean);
  if (chat !== phone.chat) return inChat ? elementIn(phone.node, `chat:${kind}`) : null;
  if (!phone.overlays.isOpen) return inChat ?? null;
  const over = way.map((each) => elementIn(phone.overlays.layer, each)).find(Boolean);
  if (over || !inChat) return over ?? null;
  return elementIn(phone.overlays.layer, "ok") ?? elementIn(phone.overlays.layer, "close");
}

function bringIntoView(element) {
  if (element.isConnected) element.scrollIntoView({ block: "nearest" });
}

const nameOf = ({ view, action, element }) => `${view} ${action} ${element.dataset.action}`;

// Words with parts between ** in bold.
function say(node, text) {
  if (node.dataset.said === text) return;
  node.dataset.said = text;
  node.replaceChildren(...text.split("**").map((part, number) => (number % 2 ? make("b", { textContent: part }) : part)));
}
