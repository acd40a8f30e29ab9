// The two scenes: whose phones are shown, in which chat, and what a small screen shows of it, one view at a time.

import { make, post } from "./api.js";
import { Phone } from "./phone.js";
import { find, keep, order, write } from "./ui.js";

const NARROWEST = 288; // pixels of a phone
const GAP = 16;
export const SCENES = {
  marker: {
    panel: "portal-panel",
    about: "The bot marks a student's attendance on the university's portal, the moment a lesson opens.",
  },
  classroom: {
    panel: "lms-panel",
    about: "A teacher takes attendance in class: students check in by a code, their place and their face.",
  },
};

// What will happen on a phone, said before its first message.
const INTRODUCTIONS = {
  admin: {
    marker: "The admin's phone. From here students are invited, and the admin hears when something is wrong.",
    teacher: "The admin's phone. From here rosters are looked after, and the admin hears when something is wrong.",
  },
  teacher: {
    teacher: "The teacher's phone. From here a class is opened: its code is shown, check-ins arrive, a report follows.",
  },
  student: {
    marker: "A student's phone. With an invitation it registers here; then each lesson is marked by itself, and told here.",
    student: "A student's phone. In class it checks in here: the teacher's code, the place, a round video of the face.",
  },
};

export class Scenes {
  // `state`: what a reload keeps, {scene, view}. `onChange` is called after each change of what is in view.
  constructor(sandbox, state, onChange) {
    this.sandbox = sandbox;
    this.onChange = onChange;
    this.phones = new Map(); // by person
    this.shown = []; // people whose phones were chosen, the last one first
    this.row = find("phones");
    this.tabs = find("tabs");
    this.small = matchMedia("(max-width: 719px)");
    for (const person of sandbox.people) this.add(person);
    for (const button of document.querySelectorAll("button[data-scene]")) {
      button.addEventListener("click", () => this.open(button.dataset.scene));
    }
    find("add").addEventListener("submit", (event) => this.addPerson(event));
    new ResizeObserver(() => this.arrange()).observe(this.row);
    this.small.addEventListener("change", () => this.arrange());
    document.addEventListener("click", ({ target }) => {
      const { menu, button } = this.offered ?? {};
      if (menu && !menu.contains(target) && !button.contains(target) && !target.closest("#tour-show")) this.closeOffer();
    });
    document.addEventListener("keydown", ({ key }) => key === "Escape" && this.closeOffer(true));
    this.scene = state.scene in SCENES ? state.scene : "marker";
    this.view = state.view ?? null;
    this.open(this.scene, this.view);
  }

  add(person) {
    if (this.phones.has(person.id)) return;
    const phone = new Phone(person, this.sandbox, { onOpenLink: (...link) => this.offer(...link) });
    for (const kind of person.chats) phone.describe(kind, INTRODUCTIONS[person.role]?.[kind]);
    phone.node.addEventListener("unread", () => this.showUnread(person.id, phone.unread));
    this.phones.set(person.id, { person, phone });
    this.row.append(phone.node);
  }

  // Shows the phones of people who were added, here or in another tab.
  introduce(people) {
    for (const person of people) {
      this.add(person);
      this.get(person.id).introduce(person);
    }
    this.arrange();
  }

  async addPerson(event) {
    event.preventDefault();
    const form = event.target;
    await order(form.querySelector("button"), async () => {
      const { id } = await post("/api/people", { name: form.name.value });
      form.reset();
      form.closest("details").open = false;
      this.show(id);
      return "";
    });
  }

  // The phones of this scene, the chosen ones first where there is no room for all.
  people(scene = this.scene) {
    return [...this.phones.values()].filter(({ person }) => person.scene === scene || person.scene === "both");
  }

  // The chat of a person that belongs to a scene.
  kindOf(person, scene) {
    return person.chats.find((each) => (each === "marker") === (scene === "marker")) ?? person.chats[0];
  }

  get(id) {
    return this.phones.get(id)?.phone;
  }

  open(scene, view = null) {
    this.scene = scene;
    const people = this.people().map(({ person }) => person.id);
    const views = [...people, "system", "log"];
    this.view = views.includes(view) ? view : people[0];
    for (const button of document.querySelectorAll("button[data-scene]")) {
      button.setAttribute("aria-pressed", String(button.dataset.scene === scene));
    }
    write(find("scene-about"), SCENES[scene].about);
    for (const { person, phone } of this.people()) {
      phone.show(this.kindOf(person, scene));
    }
    this.arrange();
  }

  // Brings a phone, the portal or LMS ("system") or the log into view.
  show(view) {
    this.view = view;
    this.shown = [view, ...this.shown.filter((each) => each !== view)];
    this.arrange();
  }

  // Shows as many phones as fit; on a small screen one view at a time.
  arrange() {
    const people = this.people();
    const isSmall = this.small.matches;
    const room = isSmall ? 1 : Math.max(1, Math.floor((this.row.clientWidth + GAP) / (NARROWEST + GAP)));
    const ids = people.map(({ person }) => person.id);
    const wanted = [...new Set([...this.shown.filter((id) => ids.includes(id)), ...ids])].slice(0, room);
    const visible = isSmall ? [this.view] : wanted;
    for (const { person, phone } of this.phones.values()) phone.node.hidden = !visible.includes(person.id);
    this.row.style.setProperty("--phones", String(Math.min(room, ids.length)));
    this.row.hidden = isSmall && !ids.includes(this.view);
    find("portal-panel").hidden = this.scene !== "marker" || (isSmall && this.view !== "system");
    find("lms-panel").hidden = this.scene !== "classroom" || (isSmall && this.view !== "system");
    find("log-panel").hidden = isSmall && this.view !== "log";
    find("panels").hidden = isSmall && ids.includes(this.view);
    this.showTabs(people, isSmall, visible);
    this.onChange(this);
  }

  // Tabs: all views on a small screen, else only the people, if not all of them fit.
  showTabs(people, isSmall, visible) {
    const tabs = people.map(({ person }) => ({ view: person.id, label: person.name }));
    if (isSmall) {
      tabs.push({ view: "system", label: this.scene === "marker" ? "Portal" : "LMS" }, { view: "log", label: "Log" });
    }
    this.tabs.hidden = !isSmall && visible.length >= people.length;
    keep(this.tabs, tabs, ({ view }) => view, ({ view }) => {
      const tab = make("button", { type: "button" });
      tab.dataset.view = view;
      tab.addEventListener("click", () => this.show(view));
      return tab;
    }, (tab, { view, label }) => {
      write(tab, label);
      tab.setAttribute("aria-pressed", String(visible.includes(view)));
    });
  }

  // Shows on a phone's tab how many messages have not been read.
  showUnread(view, count) {
    const tab = this.tabs.querySelector(`[data-view="${view}"]`);
    if (!tab) return;
    if (count) tab.dataset.unread = String(count);
    else delete tab.dataset.unread;
  }

  isInView(view) {
    if (view === "system" || view === "log") return !this.small.matches || this.view === view;
    return !this.get(view)?.node.hidden && !this.row.hidden;
  }

  tabOf(view) {
    return this.tabs.hidden ? null : this.tabs.querySelector(`[data-view="${view}"]`);
  }

  // Asks on whose phone a link to a bot is opened. `bot` is its username, `button` the link that was pressed.
  offer(bot, code, button) {
    this.closeOffer();
    const named = ([, { username }]) => username.toLowerCase() === bot.toLowerCase();
    const kind = Object.entries(this.sandbox.bots).find(named)?.[0];
    const menu = make("div", { className: "open-as", id: "open-as" }, make("span", { textContent: "Open it on the phone of" }));
    menu.setAttribute("role", "group");
    menu.setAttribute("aria-label", "Whose phone opens the link");
    for (const { person, phone } of this.phones.values()) {
      if (person.role !== "student" || !person.chats.includes(kind)) continue;
      const choice = make("button", { type: "button", textContent: person.name });
      choice.dataset.action = `open-as:${person.name}`;
      choice.addEventListener("click", () => {
        this.closeOffer();
        order(choice, () => post("/telegram/send", { bot, person: person.id, text: `/start ${code}` }).then(() => ""));
        this.show(person.id);
        phone.show(kind);
      });
      menu.append(choice);
    }
    this.offered = { menu, button };
    document.body.append(menu); // outside of the phone, which draws itself anew at any time
    const [at, size] = [button.getBoundingClientRect(), menu.getBoundingClientRect()];
    menu.style.left = `${Math.max(8, Math.min(at.left, innerWidth - size.width - 8))}px`;
    menu.style.top = `${at.bottom + size.height + 12 < innerHeight ? at.bottom + 6 : Math.max(8, at.top - size.height - 6)}px`;
    menu.querySelector("button")?.focus({ preventScroll: true });
    this.onChange(this);
  }

  closeOffer(focus = false) {
    if (!this.offered) return;
    const { menu, button } = this.offered;
    this.offered = null;
    menu.remove();
    if (focus) button.focus();
    this.onChange(this);
  }
}
