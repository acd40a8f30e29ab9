// The lower part of a chat: the text box with saved logins, commands and attachments, the bot's reply keyboard, and the
// buttons Start and Unblock.

import { el, icon } from "./phone-dom.js";
import { Suggestions } from "./phone-suggestions.js";

const LONGEST = 4096; // characters of a message
const HIGHEST = 120; // pixels of the text box

export class Composer {
  constructor(chat) {
    this.chat = chat;
    this.commands = [];
    this.editing = null; // the own message that is being edited
    this.build();
    this.translate();
  }

  get words() {
    return this.chat.words;
  }

  build() {
    const { chat } = this;
    const iconButton = (action, drawing, run, type = "button") => {
      const button = el("button", { type, class: "icon-button", "data-action": action }, icon(drawing));
      if (run) button.addEventListener("click", run);
      return button;
    };
    this.input = el("textarea", {
      rows: "1",
      dir: "auto",
      maxlength: LONGEST,
      "data-action": "message",
      autocomplete: "off",
      enterkeyhint: "send",
    });
    this.menuButton = iconButton("menu", "commands", () => this.openMenu());
    this.attachButton = iconButton("attach", "attach", () => chat.phone.attach.open());
    this.sendButton = iconButton("send", "send", null, "submit");
    this.sendButton.classList.add("send");
    this.suggestions = new Suggestions(this.input, (text) => {
      this.type("");
      chat.send({ text });
    });
    this.cancelButton = iconButton("edit:cancel", "close", () => this.edit(null));
    this.editBar = el("div", { class: "editing", hidden: true }, icon("edit"), el("span"), this.cancelButton);
    this.saved = el("div", { class: "saved", role: "group" });
    this.form = el("form", { class: "compose" }, this.menuButton, this.input, this.attachButton, this.sendButton);
    this.startButton = el("button", { type: "button", class: "main wide", "data-action": "start" });
    this.unblockButton = el("button", { type: "button", class: "main wide", "data-action": "unblock" });
    this.blocked = el("div", { class: "is-blocked" }, el("p"), this.unblockButton);
    this.keyboard = el("div", { class: "keyboard", role: "group", hidden: true });
    this.node = el(
      "div",
      { class: "composer" },
      this.suggestions.node,
      this.editBar,
      this.saved,
      this.form,
      this.startButton,
      this.blocked,
      this.keyboard,
    );

    this.startButton.addEventListener("click", () => chat.send({ text: "/start" }));
    this.unblockButton.addEventListener("click", () => chat.block(false));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.submit();
    });
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("keydown", (event) => this.key(event));
  }

  translate() {
    const { words } = this;
    const labels = [
      [this.menuButton, words.commands],
      [this.attachButton, words.attach],
      [this.sendButton, words.send],
      [this.input, words.message],
      [this.suggestions.node, words.commands],
      [this.cancelButton, words.cancel],
      [this.saved, words.saved],
      [this.keyboard, words.message],
    ];
    for (const [node, label] of labels) node.setAttribute("aria-label", label);
    this.startButton.textContent = words.start;
    this.unblockButton.textContent = words.unblock;
    this.blocked.firstChild.textContent = words.blocked;
    this.drawSaved();
  }

  draw(screen) {
    const begun = screen.started ?? screen.messages.length > 0;
    const canWrite = begun && !screen.blocked;
    const held = this.node.contains(document.activeElement) ? document.activeElement : null;
    this.commands = screen.commands ?? [];
    this.menuButton.hidden = !this.commands.length || screen.menu_button?.type === "web_app";
    this.form.hidden = !canWrite;
    this.saved.hidden = !canWrite || !this.saved.children.length;
    this.startButton.hidden = begun || screen.blocked;
    this.blocked.hidden = !screen.blocked;
    const stillThere = screen.messages.some(({ message_id: id }) => id === this.editing?.message_id);
    if (this.editing && !(canWrite && stillThere)) this.edit(null);
    this.drawKeyboard(canWrite ? screen.reply_keyboard : null);
    this.input.placeholder = (canWrite && screen.reply_keyboard?.input_field_placeholder) || this.words.message;
    // what had the focus is gone: the chat goes on in the text box
    if (held && !held.checkVisibility()) (canWrite ? this.input : this.unblockButton).focus({ preventScroll: true });
  }

  drawKeyboard(keyboard) {
    const content = JSON.stringify(keyboard ?? null);
    if (this.keyboardShown === content) return;
    this.keyboardShown = content;
    const rows = (keyboard?.keyboard ?? []).map((row) =>
      el(
        "div",
        { class: "row" },
        row.map((asked) => {
          const kind = asked.request_contact ? "contact" : asked.request_location ? "pin" : null;
          const button = el(
            "button",
            { type: "button", "data-action": `reply:${asked.text}` },
            kind && icon(kind),
            el("span", {}, asked.text),
          );
          button.addEventListener("click", () => this.reply(asked));
          return button;
        }),
      ),
    );
    this.keyboard.replaceChildren(...rows);
    this.keyboard.hidden = !rows.length;
  }

  reply(asked) {
    const { chat } = this;
    if (asked.request_contact) chat.phone.attach.contact();
    else if (asked.request_location) chat.send({ location: chat.phone.place });
    else chat.send({ text: asked.text });
  }

  // What the phone has saved for this bot: pressing it types it.
  drawSaved() {
    const { person } = this.chat.phone;
    const { words } = this;
    const known =
      {
        marker: [
          ["username", person.login?.username, words.username],
          ["password", person.login?.password, words.password],
        ],
        teacher: [
          ["email", person.lms?.email, words.email],
          ["password", person.lms?.password, words.password],
        ],
        student: [["student_id", person.student_id, words.studentId]],
      }[this.chat.kind] ?? [];
    this.saved.replaceChildren(
      ...known
        .filter(([, value]) => value)
        .map(([name, value, label]) => {
          const shown = name === "password" ? label : value;
          const attributes = {
            type: "button",
            "data-action": `login:${name}`,
            title: label,
            ...(shown !== label && { "aria-label": `${label}: ${value}` }),
          };
          const button = el("button", attributes, icon("key"), el("span", {}, shown));
          button.addEventListener("click", () => this.type(value));
          return button;
        }),
    );
  }

  type(text) {
    this.input.value = text;
    this.typed();
    this.input.focus({ preventScroll: true });
  }

  typed() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(HIGHEST, this.input.scrollHeight)}px`;
    const text = this.input.value;
    this.form.classList.toggle("has-text", text.trim() !== "");
    const isCommand = !this.editing && /^\/\w*$/.test(text);
    const fits = ({ command }) => `/${command}`.startsWith(text.toLowerCase());
    this.suggestions.offer(isCommand ? this.commands.filter(fits) : []);
  }

  // Takes an own message into the text box to be edited; null: no longer.
  edit(message) {
    const wasEditing = this.editing !== null;
    this.editing = message;
    this.editBar.hidden = message === null;
    this.editBar.querySelector("span").textContent = message ? `${this.words.edit}: ${message.text}` : "";
    if (message || wasEditing) this.type(message?.text ?? "");
  }

  async submit() {
    const text = this.input.value;
    const { editing } = this;
    if (!text.trim()) return this.input.focus();
    this.editing = null;
    this.edit(null);
    this.type("");
    const sent = await (editing ? this.chat.change(editing, { text }) : this.chat.send({ text }));
    if (!sent && !this.input.value) this.type(text);
  }

  key(event) {
    const isOwn = this.suggestions.key(event);
    const last = event.key === "ArrowUp" && !this.input.value && this.chat.lastOwnText();
    if (isOwn && event.key === "Escape") event.stopPropagation();
    if (isOwn) event.preventDefault();
    else if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    } else if (event.key === "Escape" && this.editing) this.edit(null);
    else if (last) {
      event.preventDefault();
      this.edit(last);
    }
  }

  openMenu() {
    const items = this.commands.map(({ command, description }) => ({
      action: `command:/${command}`,
      label: `/${command}`,
      about: description,
      run: () => this.chat.send({ text: `/${command}` }),
    }));
    this.chat.phone.overlays.menu("commands", this.words.commands, items);
  }
}
