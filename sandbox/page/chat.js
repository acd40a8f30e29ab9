// One column of the page: a person's chat with a bot, as on the person's phone.

import { get, keepAsking, make, post, stayAtEnd, timeOf } from "./api.js";
import { formatted } from "./formatting.js";

// Time within which a bot can answer a tap (the simulator's limit); afterwards the button stops spinning.
const ANSWER_WITHIN = 30_000;

export class Chat {
  // `openAs(bot, code, button)` opens a link to a bot; it asks whose phone opens it.
  constructor(bots, person, language, openAs) {
    this.bots = bots;
    this.bot = person.bot;
    this.person = person;
    this.version = -1;
    this.shown = new Map(); // message id -> { node, content }
    this.taps = new Map(); // tap id -> the spinning button
    this.actions = { openBot: openAs, command: (text) => this.say(text), copy: (text) => this.copy(text) };
    this.build(language);
  }

  build(language) {
    const phone = document.getElementById("phone").content.firstElementChild.cloneNode(true);
    const find = (selector) => phone.querySelector(selector);
    this.node = phone;
    phone.dataset.person = this.person.name;
    phone.setAttribute("aria-label", `${this.person.name}, ${this.person.role}`);
    find("h2").textContent = this.person.name;
    find(".role").textContent = this.person.role;
    this.messages = find(".messages");
    this.toEnd = stayAtEnd(this.messages);
    this.toastLine = find(".toast");
    this.startButton = find(".start");
    this.form = find(".write");
    this.shares = find(".shares");
    this.startButton.addEventListener("click", () => this.say("/start"));
    this.toastLine.addEventListener("click", () => (this.toastLine.hidden = true));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.form.text.value;
      if (!text.trim()) return;
      this.form.text.value = "";
      this.say(text).then((sent) => {
        if (!sent) this.form.text.value = text;
      });
    });
    const { login } = this.person;
    if (login) {
      find(".login").hidden = false;
      for (const [name, value] of Object.entries(login)) {
        const button = find(`.${name}`);
        button.textContent = value;
        button.title = `Type the ${name} into the text box`;
        button.addEventListener("click", () => this.type(value));
      }
    }
    const select = find("select");
    select.value = language || "en";
    select.addEventListener("change", () => this.changeLanguage(select.value));
  }

  type(text) {
    if (this.form.hidden) return this.toast("Press Start first.");
    this.form.text.value = text;
    this.form.text.focus();
  }

  // Sends a text; false if Telegram's app would refuse it.
  say(text) {
    return this.send({ text });
  }

  async send(content) {
    try {
      await post("/telegram/send", { bot: this.bot, person: this.person.id, ...content });
      this.toEnd();
      return true;
    } catch (error) {
      this.toast(error.message);
      return false;
    }
  }

  async tap(messageId, data, button) {
    button.classList.add("waiting");
    button.disabled = true;
    try {
      const { tap_id: tapId } = await post("/telegram/tap", {
        bot: this.bot, person: this.person.id, message_id: messageId, button: data,
      });
      this.taps.set(tapId, button);
      this.settle(this.lastAnswer); // the answer may have arrived first
      setTimeout(() => this.release(tapId) && this.toast("The bot did not answer this tap."), ANSWER_WITHIN);
    } catch (error) {
      button.classList.remove("waiting");
      button.disabled = false;
      this.toast(error.message);
    }
  }

  release(tapId) {
    const button = this.taps.get(tapId);
    if (!button) return false;
    this.taps.delete(tapId);
    button.classList.remove("waiting");
    button.disabled = false;
    return true;
  }

  settle(answer) {
    if (answer && this.release(answer.tap_id) && answer.text) this.toast(answer.text, answer.show_alert);
  }

  async changeLanguage(code) {
    const { id, name, username } = this.person;
    try {
      await post("/telegram/people", { id, first_name: name, username, language_code: code });
      if (!this.form.hidden) {
        this.toast("The app's language has changed. The bot chose its language at the first message; change it with /language.");
      }
    } catch (error) {
      this.toast(error.message);
    }
  }

  async copy(text) {
    try {
      await navigator.clipboard.writeText(text);
      this.toast("Copied.");
    } catch {
      this.toast("This browser does not let the page copy.");
    }
  }

  toast(text, stays = false) {
    this.toastLine.textContent = text;
    this.toastLine.hidden = false;
    clearTimeout(this.toastTimer);
    if (!stays) this.toastTimer = setTimeout(() => (this.toastLine.hidden = true), 4000);
  }

  follow() {
    keepAsking(async (signal) => {
      const query = new URLSearchParams({ bot: this.bot, person: this.person.id });
      // the first request is answered at once, the next ones after a change
      if (this.version >= 0) {
        query.set("since", this.version);
        query.set("timeout", 20);
      }
      const screen = await get(`/telegram/chat?${query}`, signal);
      if (screen.version !== this.version) this.show(screen);
      this.version = screen.version;
    });
  }

  show(screen) {
    const last = screen.messages.at(-1)?.message_id;
    const isNew = last !== undefined && !this.shown.has(last);
    const there = new Set(screen.messages.map((message) => message.message_id));
    for (const [id, { node }] of this.shown) {
      if (there.has(id)) continue;
      node.remove();
      this.shown.delete(id);
    }
    for (const message of screen.messages) this.put(message);
    const begun = screen.messages.length > 0;
    this.form.hidden = !begun;
    this.startButton.hidden = begun;
    this.showShares(begun ? screen.reply_keyboard : null);
    this.lastAnswer = screen.last_answer;
    this.settle(screen.last_answer);
    if (isNew) this.toEnd();
  }

  // The reply keyboard's buttons above the text box, such as those that share the phone number or the location.
  showShares(keyboard) {
    const content = JSON.stringify(keyboard);
    if (this.sharesShown === content) return;
    this.sharesShown = content;
    const buttons = (keyboard?.keyboard ?? []).flat().map((asked) => {
      const button = make("button", { type: "button", textContent: asked.text });
      button.addEventListener("click", () => {
        if (asked.request_contact) this.send({ contact: { phone_number: this.person.phone } });
        else if (asked.request_location) this.send({ location: this.person.place });
        else this.say(asked.text);
      });
      return button;
    });
    this.shares.replaceChildren(...buttons);
    this.shares.hidden = !buttons.length;
  }

  put(message) {
    const content = JSON.stringify(message);
    const known = this.shown.get(message.message_id);
    if (known?.content === content) return; // keep the node, so that the button under the pointer stays
    const node = this.bubble(message);
    if (known) known.node.replaceWith(node);
    else this.messages.append(node);
    this.shown.set(message.message_id, { node, content });
  }

  bubble(message) {
    const words = make("div", { className: "words" });
    if (message.html) words.append(formatted(message.html, this.bots, this.actions));
    else if (!message.photo && !message.document) words.append(make("i", { textContent: inWords(message) }));
    const sent = timeOf(new Date(message.date * 1000));
    const time = make("time", { textContent: message.edited ? `edited ${sent}` : sent });
    const body = make("div", { className: "body" }, words, time);
    if (message.photo) body.prepend(this.picture(message.photo));
    if (message.document) body.prepend(this.file(message.document));
    const node = make("article", { className: `bubble ${message.from}` }, body);
    for (const row of message.buttons) {
      node.append(make("div", { className: "row" }, ...row.map((button) => this.button(message.message_id, button))));
    }
    return node;
  }

  // The last size of a photo is the largest.
  picture(sizes) {
    const largest = sizes[sizes.length - 1];
    const query = new URLSearchParams({ bot: this.bot, file_id: largest.file_id });
    return make("img", { src: `/telegram/file?${query}`, alt: "", width: 180 });
  }

  file({ file_id: id, file_name: name }) {
    const query = new URLSearchParams({ bot: this.bot, file_id: id });
    return make("a", { href: `/telegram/file?${query}`, download: name, className: "file", textContent: name });
  }

  button(messageId, { text, data, url }) {
    if (url) return make("a", { className: "inline", href: url, target: "_blank", rel: "noopener", textContent: text });
    const button = make("button", { type: "button", className: "inline", textContent: text });
    button.addEventListener("click", () => this.tap(messageId, data ?? text, button));
    return button;
  }
}

// Text for a content that an app shows as a map or a card.
function inWords({ location, contact }) {
  if (location) return `Location: ${location.latitude.toFixed(5)}, ${location.longitude.toFixed(5)}`;
  if (contact) return `Phone number: ${contact.phone_number}`;
  return "(this page can't show this kind of message)";
}
