// One chat of a person with a bot, as on the person's phone: the messages, what was pressed, and how they are kept.

import { post } from "./api.js";
import { bubble } from "./phone-bubble.js";
import { Composer } from "./phone-composer.js";
import { el } from "./phone-dom.js";
import { MessageList } from "./phone-list.js";
import { Taps } from "./phone-taps.js";
import { dayOf, introduction } from "./phone-words.js";

const ACTION_LASTS = 5500; // milliseconds: "typing" ends by itself
const ACTIONS = [
  [/photo/, "sendsPhoto"],
  [/document/, "sendsFile"],
  [/video/, "sendsVideo"],
];

export class Chat {
  // `kind`: "marker", "teacher" or "student", as in /api/sandbox.
  constructor(phone, kind) {
    this.phone = phone;
    this.kind = kind;
    this.bot = phone.sandbox.bots[kind];
    this.screen = null;
    this.unread = 0;
    this.seen = new Set(); // ids of messages that were there before
    this.read = new Set(); // ids of the person's messages that the bot has reacted to
    this.taps = new Taps(this);
    this.build();
  }

  get words() {
    return this.phone.words;
  }

  build() {
    this.list = new MessageList(this);
    this.composer = new Composer(this);
    this.node = el("div", { class: "chat" }, this.list.node, this.composer.node);
    const { items } = this.list;
    items.addEventListener("click", (event) => this.press(event));
    items.addEventListener("contextmenu", (event) => this.openMenu(event));
    items.addEventListener("keydown", (event) => {
      const isButton = event.target.getAttribute("role") === "button";
      if (!isButton || !["Enter", " "].includes(event.key)) return;
      event.preventDefault();
      this.press(event);
    });
  }

  get isVisible() {
    return this.phone.chat === this && this.node.checkVisibility() && !document.hidden;
  }

  // It came into view: everything counts as read, and the list stands where it stood.
  entered() {
    this.unread = 0;
    this.list.restore();
  }

  // Shows a new state of the chat, as GET /telegram/chat returns it.
  show(screen) {
    const isFirst = this.screen === null;
    this.screen = screen;
    const fresh = screen.messages.filter((message) => !this.seen.has(message.message_id));
    for (const { message_id: id } of fresh) this.seen.add(id);
    this.noticeAction(screen.action);
    this.notice(isFirst ? [] : fresh);
    this.draw();
    this.taps.settle(screen.last_answer);
    if (this.list.atEnd || fresh.some((message) => message.from === "person")) this.list.toEnd();
  }

  // Counts and announces the bot's new messages; edits are not announced.
  notice(fresh) {
    const own = fresh.filter((message) => message.from === "bot");
    if (!own.length) return;
    if (!this.isVisible) this.unread += own.length;
    else this.list.grew(own.length);
    for (const { text, photo } of own) this.phone.announce(this, text || this.words[photo ? "photo" : "file"]);
  }

  draw() {
    const { screen } = this;
    this.noteRead(screen);
    const wanted = [];
    let day = "";
    screen.messages.forEach((message, at) => {
      const its = dayOf(message.date, this.phone.language, this.phone.sandbox.time_zone);
      if (its !== day) wanted.push(dayItem(its));
      day = its;
      wanted.push(this.item(message, screen.messages[at + 1]?.from !== message.from));
    });
    if (this.pending) wanted.push({ key: "pending", drawn: this.pending, node: () => this.drawPending() });
    this.list.keep(wanted.length ? wanted : [this.intro()]);
    this.composer.draw(screen);
    this.phone.chatChanged(this);
  }

  // A message as an item of the list. `isLast`: the next one is of the other side.
  item(message, isLast) {
    const { phone, words } = this;
    const { message_id: id, location, date } = message;
    const now = Date.now() / 1000;
    const about = {
      words,
      now,
      isLast,
      room: phone.room,
      bots: phone.usernames,
      sender: message.from === "bot" ? this.bot.name : phone.person.name,
      file: (file) => `/telegram/file?${new URLSearchParams({ bot: this.bot.username, file_id: file })}`,
      isWaiting: (row, column) => this.taps.isWaiting(id, row, column),
      isRead: this.read.has(id),
    };
    const isLive = location?.live_period && now < date + location.live_period;
    const drawn = JSON.stringify([message, isLast, about.isRead, phone.language, this.taps.waitingIn(id), isLive]);
    return { key: String(id), drawn, node: () => bubble(message, about) };
  }

  intro() {
    const { words, phone } = this;
    const text = this.describedAs || this.screen?.description || introduction(this.kind, phone.language);
    const node = () =>
      el("div", { class: "intro", "data-key": "intro" }, el("b", {}, words.whatItDoes), el("p", {}, text));
    return { key: "intro", drawn: `${phone.language} ${text}`, node };
  }

  // What the page wants said before the first message; empty: the bot's own description.
  describe(text) {
    this.describedAs = text;
    if (this.screen) this.draw();
  }

  drawPending() {
    const label = el("span", { class: "length" }, this.pending);
    return el(
      "div",
      { class: "bubble person video_note last", "data-key": "pending", "aria-busy": "true" },
      el("div", { class: "body" }, el("div", { class: "round drawing" }, el("i")), label),
    );
  }

  // Two ticks once the bot has done something after the message.
  noteRead({ messages, action }) {
    const last = messages.findLastIndex((message) => message.from === "bot");
    messages.forEach((message, at) => {
      if (message.from === "person" && (at < last || message.reaction || action)) this.read.add(message.message_id);
    });
  }

  // What the bot is doing, for the line below its name; null: nothing. It ends by itself.
  noticeAction(action) {
    clearTimeout(this.actionTimer);
    this.action = action;
    if (action) this.actionTimer = setTimeout(() => this.endAction(), ACTION_LASTS);
  }

  endAction() {
    this.action = null;
    this.phone.chatChanged(this);
  }

  get status() {
    return this.action && this.words[ACTIONS.find(([pattern]) => pattern.test(this.action))?.[1] ?? "typing"];
  }

  press(event) {
    const pressed = event.target.closest("[data-action]");
    const message = pressed && this.messageOf(pressed);
    if (!message) return;
    const { action } = pressed.dataset;
    const [name] = action.split(":", 1);
    const acts = {
      inline: () => this.taps.press(message, pressed),
      link: () => this.phone.openLink(pressed.dataset.bot, action.slice("link:".length), pressed),
      command: () => this.send({ text: action.slice("command:".length) }),
      copy: () => this.copy(pressed.textContent),
      spoiler: () => pressed.classList.add("open"),
      photo: () => this.phone.enlarge(pressed.querySelector("img")),
      note: () => play(pressed.querySelector("video")),
      live: () =>
        action === "live:stop"
          ? this.change(message, { location: { live_period: null } })
          : this.phone.attach.move(message),
    };
    acts[name]?.();
  }

  order(what, body) {
    return post(`/telegram/${what}`, { bot: this.bot.username, person: this.phone.person.id, ...body });
  }

  // Sends a content as POST /telegram/send takes it; false if Telegram's app would refuse it.
  send(content) {
    return this.try(() => this.order("send", content));
  }

  // Edits an own message: its text, or where a live location is.
  change({ message_id: id }, content) {
    return this.try(() => this.order("edit", { message_id: id, ...content }));
  }

  delete({ message_id: id }) {
    return this.try(() => this.order("delete", { message_id: id }));
  }

  lastOwnText() {
    return this.screen.messages.findLast((message) => isEditable(message));
  }

  // The menu of a message, by the right mouse button, a long press or the keyboard's menu key.
  openMenu(event) {
    const message = this.messageOf(event.target);
    if (!message || event.target.closest("a") || String(getSelection())) return; // the browser's own menu
    event.preventDefault();
    const { words, phone } = this;
    const items = [{ action: "message:delete", icon: "bin", label: words.delete, run: () => this.delete(message) }];
    if (isEditable(message)) {
      items.unshift({
        action: "message:edit",
        icon: "edit",
        label: words.edit,
        run: () => this.composer.edit(message),
      });
    }
    if (message.text) {
      items.unshift({
        action: "message:copy",
        icon: "copy",
        label: words.copyText,
        run: () => this.copy(message.text),
      });
    }
    phone.overlays.menu("message", words.message, items);
  }

  messageOf(node) {
    const id = node.closest("[data-message]")?.dataset.message;
    return this.screen.messages.find((message) => String(message.message_id) === id);
  }

  block(blocked) {
    return this.try(() => this.order("block", { blocked }));
  }

  // Sends a video note, which takes a while; meanwhile its place in the chat shows that.
  async sendNote(note) {
    this.pending = this.words.drawing;
    this.draw();
    this.list.toEnd();
    const sent = await this.try(() =>
      post("/api/notes/send", { bot: this.bot.username, person: this.phone.person.id, ...note }),
    );
    this.pending = null;
    this.draw();
    return sent;
  }

  async try(order) {
    try {
      await order();
      return true;
    } catch (error) {
      this.phone.say(error.message);
      return false;
    }
  }

  async copy(text) {
    const copied = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    );
    this.phone.say(copied ? this.words.copied : this.words.notCopied);
  }
}

function dayItem(day) {
  const key = `day ${day}`;
  return { key, drawn: day, node: () => el("p", { class: "day", "data-key": key }, el("span", {}, day)) };
}

const isEditable = (message) => message.from === "person" && !message.forwarded && message.text && !message.contact;

// Plays a video note once, or stops it; the ring around it shows how far it is.
function play(video) {
  if (!video.paused) return video.pause();
  const ring = video.parentElement.querySelector("circle");
  video.ontimeupdate = () =>
    ring.style.setProperty("stroke-dashoffset", String(100 - (100 * video.currentTime) / video.duration));
  video.onended = () => {
    video.currentTime = 0;
  };
  video.muted = true;
  video.play();
}
