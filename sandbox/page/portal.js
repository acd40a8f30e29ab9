// The portal's panel: lessons with their marks, who is signed in, faults and what they mean for the phones.

import { call, make, post, timeOf } from "./api.js";
import { Faults, find, keep, order, seconds, write } from "./ui.js";

const LESSONS = [
  ["Algorithms and Data Structures", "Akhmetov B."],
  ["Databases", "Serikova A."],
  ["Calculus 2", "Kim V."],
  ["Operating Systems", "Omarov D."],
  ["Academic Writing", "Petrova N."],
];
const REFUSAL = "Отметка невозможна: вы не в аудитории.";
const TOLD_AFTER = 5 * 60_000; // as the bot does it: TOLD_AFTER in marker/student/troubles.py

const FAULTS = [
  {
    id: "expire", label: "Sign everybody out", means: "all sessions end. The bot signs in again by itself.",
    run: async () => said((await post("/portal/expire")).expired),
  },
  {
    id: "swallow", label: "Swallow a click", means: "the next press of the button does nothing. The bot sees it, and presses again.",
    on: ({ swallow_clicks: left }) => left > 0, change: (on) => ({ swallow_clicks: on ? 1 : 0 }),
  },
  {
    id: "refuse", label: "Refuse marks", means: "a window refuses each mark. After three tries the student reads its words.",
    on: ({ mark_answer: words }) => words, change: (on) => ({ mark_answer: on ? REFUSAL : "", window_kind: "error" }),
  },
  {
    id: "slow", label: "Slow, 3 s", means: "each answer takes three seconds longer.",
    on: ({ slow_ms: delay }) => delay > 0, change: (on) => ({ slow_ms: on ? 3000 : 0 }),
  },
  {
    id: "down", label: "Portal down", means: "every page is an error 503.",
    on: ({ status }) => status !== null && status !== undefined, change: (on) => ({ status: on ? 503 : null }),
  },
];

const said = (number) => (number === 1 ? "1 session ended." : `${number} sessions ended.`);

export class PortalPanel {
  constructor(sandbox) {
    this.people = sandbox.people;
    this.interval = sandbox.refresh_interval;
    this.lessons = [];
    this.downSince = null;
    find("portal-link").href = sandbox.portal_url;
    this.faults = new Faults(find("portal-faults"), FAULTS, (changes) => post("/portal/behaviour", changes).then(() => ""));
    this.form = find("lesson");
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      order(this.form.querySelector("[type=submit]"), () => this.open());
    });
    this.language = find("portal-language");
    this.language.addEventListener("change", () =>
      order(this.language, () => post("/portal/behaviour", { language: this.language.value }).then(() => "")));
    this.propose();
  }

  apply({ lessons, behaviour, signed_in: signedIn, marks }) {
    const grown = lessons.length !== this.lessons.length;
    this.lessons = lessons;
    if (grown) this.propose();
    this.faults.show(behaviour);
    if (behaviour.language && document.activeElement !== this.language) this.language.value = behaviour.language;
    this.language.closest("label").hidden = behaviour.language === undefined;
    this.showLessons(lessons, marks);
    this.showSignedIn(signedIn);
    this.showOutage(behaviour);
  }

  // Fills the form with the next lesson. It differs from all before, since equal texts mean the same lesson.
  propose() {
    const number = this.lessons.length;
    const round = Math.floor(number / LESSONS.length);
    const [subject, teacher] = LESSONS[number % LESSONS.length];
    const hour = Number.parseInt(timeOf(new Date()), 10);
    const clock = (each) => `${String(each % 24).padStart(2, "0")}:00`;
    if (!this.form.contains(document.activeElement) || document.activeElement.type === "submit") {
      this.form.subject.value = round ? `${subject}, group ${round + 1}` : subject;
      this.form.teacher.value = teacher;
      this.form.time.value = `Л27 (${clock(hour)} - ${clock(hour + 1)})`;
    }
  }

  async open() {
    const { subject, teacher, time, minutes, live } = this.form;
    await post("/portal/lessons", {
      subject: subject.value, teacher: teacher.value, time: time.value, minutes: Number(minutes.value), live: live.checked,
    });
    return live.checked ? "Open: it appears without a reload." : `Open. The bot looks every ${this.interval} s.`;
  }

  showLessons(lessons, marks) {
    find("no-lessons").hidden = lessons.length > 0;
    const ordered = [...lessons].sort((one, other) => other.open - one.open || other.id - one.id);
    keep(find("lessons"), ordered, (lesson) => lesson.id, lessonLine, (line, lesson) => {
      line.className = lesson.open ? "open" : "closed";
      write(line.querySelector("b"), lesson.subject);
      write(line.querySelector("small"), `${lesson.time}, ${lesson.open ? `${lesson.minutes_left} min left` : "closed"}`);
      line.querySelector("button").hidden = !lesson.open;
      const own = marks.filter((mark) => mark.lesson === lesson.id);
      keep(line.querySelector("ul"), own, (mark) => mark.student, () => make("li", { className: "mark" }),
        (chip, mark) => write(chip, `${this.nameOf(mark.student)} marked after ${seconds(mark.seconds)} s`));
      line.querySelector(".none").hidden = own.length > 0;
    });
  }

  showSignedIn(signedIn) {
    find("nobody-in").hidden = signedIn.length > 0;
    const names = signedIn.map((each) => (typeof each === "string" ? { username: each } : each));
    keep(find("signed-in"), names, (each) => each.username, () => make("li"),
      (chip, each) => write(chip, this.nameOf(each.username)));
  }

  nameOf(username) {
    const person = this.people.find(({ login }) => login?.username === username);
    return person ? person.name : username;
  }

  // Says what a portal that is down means for the phones, and when they are told.
  showOutage({ status, slow_ms: delay, mark_answer: refusal }) {
    const isDown = status !== null && status !== undefined;
    if (isDown && this.downSince === null) this.downSince = Date.now();
    if (!isDown) this.downSince = null;
    const state = isDown ? "down" : delay ? "slow" : refusal ? "refuses" : "up";
    find("portal-state").dataset.state = state;
    write(find("portal-state"), { down: "down", slow: "slow", refuses: "refuses marks", up: "up" }[state]);
    const notice = find("notice");
    notice.hidden = !isDown;
    if (!isDown) return;
    const at = timeOf(new Date(this.downSince + TOLD_AFTER));
    write(notice.querySelector("b"), "The portal is down: nobody can be marked.");
    write(notice.querySelector("span"), "The phones stay quiet for now: the bot keeps trying, as most outages are short. "
      + `Students who are monitored are told after five minutes, at ${at}, and again when it works.`);
  }
}

function lessonLine(lesson) {
  const button = make("button", { type: "button", className: "small", textContent: "Close" });
  button.setAttribute("aria-label", `Close ${lesson.subject}`);
  button.addEventListener("click", () => order(button, () => call("DELETE", `/portal/lessons/${lesson.id}`).then(() => "")));
  const none = make("small", { className: "none", textContent: "Nobody is marked yet." });
  const words = make("div", {}, make("b"), make("small"), make("ul", { className: "chips" }), none);
  return make("li", {}, words, button);
}
