// A person's phone: their chats with the bots, one in view, and what lies over them. Looks and behaves like a messenger.
//
//   const phone = new Phone(person, sandbox, { onOpenLink(username, code, button) });   // both as in GET /api/sandbox
//   page.append(phone.node);
//   phone.apply({ bot, person, screen });      // an event `screen` of /api/events
//   phone.show("student");                     // brings a chat into view
//   phone.describe("marker", text);            // said before the first message, above Start
//   phone.unread                               // over all chats; a change dispatches the event `unread` at the node
//   phone.introduce(person)                    // the person has changed
//
// Everything that can be pressed has a `data-action`: start, unblock, send, message (the text box), menu, command:/NAME,
// inline:LABEL, reply:LABEL, link:CODE, copy, photo, note, document, live:move, live:stop, to-end, chat:KIND, more,
// language:CODE, block, login:username|password|email|student_id, attach, attach:location|live|contact|note|file|photo,
// attach:location:PLACE, attach:live:PLACE, move:PLACE, note:NAME|camera|file, photo:camera|file,
// camera:record|stop|send|again|photo, message:copy|edit|delete, edit:cancel, zoom, close, ok. A node keeps its class `pulse` over updates.

import { post } from "./api.js";
import { Chat } from "./phone-chat.js";
import { Attach } from "./phone-attach.js";
import { avatar } from "./phone-bubble.js";
import { el, icon, morph } from "./phone-dom.js";
import { Overlays, step } from "./phone-overlay.js";
import { roomOf } from "./phone-places.js";
import { LANGUAGES, wordsOf } from "./phone-words.js";

const SPOKEN = 300; // characters of a new message that are announced
let phones = 0;

export class Phone {
  constructor(person, sandbox, { onOpenLink = null } = {}) {
    this.person = person;
    this.sandbox = sandbox;
    this.onOpenLink = onOpenLink;
    this.place = person.place;
    this.setLanguage(person.language);
    this.id = `phone-${(phones += 1)}`;
    this.attach = new Attach(this);
    this.build();
    this.show(person.chats[0]);
    new IntersectionObserver(() => this.noticeView()).observe(this.node);
    document.addEventListener("visibilitychange", () => this.noticeView());
  }

  get room() {
    return roomOf(this.sandbox);
  }

  // Of all bots on the page, in lower case: links to them are opened here.
  get usernames() {
    return Object.values(this.sandbox.bots).map(({ username }) => username.toLowerCase());
  }

  get unread() {
    return [...this.chats.values()].reduce((sum, { unread }) => sum + unread, 0);
  }

  setLanguage(code) {
    this.language = code in LANGUAGES ? code : "en";
    this.words = wordsOf(this.language);
  }

  build() {
    const { person } = this;
    this.face = el("span", { class: "face" }, avatar(person.name, person.photo));
    this.moreButton = el("button", { type: "button", class: "icon-button", "data-action": "more" }, icon("more"));
    this.moreButton.addEventListener("click", () => this.openMenu());
    const about = [person.role, person.student_id].filter(Boolean).join(" \u00b7 ");
    const owner = el(
      "header",
      { class: "owner" },
      this.face,
      el("div", { class: "name" }, el("h2", {}, person.name), el("p", { class: "role" }, about)),
      this.moreButton,
    );
    this.chats = new Map(person.chats.map((kind) => [kind, new Chat(this, kind)]));
    this.tabs = el("div", { class: "bots" });
    const panels = [...this.chats.values()].map((chat) => chat.node);
    this.body = el("div", { class: "screen" }, owner, this.tabs, panels);
    this.spoken = el("p", { class: "spoken", "aria-live": "polite" });
    this.node = el(
      "section",
      {
        class: "phone",
        "data-person": person.name,
        "aria-label": [person.name, person.role].filter(Boolean).join(", "),
      },
      this.body,
      this.spoken,
    );
    this.overlays = new Overlays(this.node, this.body);
    for (const [kind, chat] of this.chats) chat.node.id = `${this.id}-${kind}`;
    this.tabs.addEventListener("click", (event) => {
      const tab = event.target.closest("[role=tab]");
      if (tab) this.show(tab.dataset.action.slice("chat:".length));
    });
    this.tabs.addEventListener("keydown", (event) => this.tabKey(event));
  }

  // Shows an event `screen`; those of other people are ignored.
  apply({ bot, username, person, screen }) {
    if (person !== this.person.id) return;
    const chat =
      this.chats.get(bot) ?? [...this.chats.values()].find((each) => [bot, username].includes(each.bot.username));
    chat?.show(screen);
  }

  // Brings the chat with a bot into view.
  show(kind) {
    const chat = this.chats.get(kind);
    if (!chat || chat === this.chat) return;
    this.overlays.close();
    this.chat = chat;
    for (const each of this.chats.values()) each.node.hidden = each !== chat;
    chat.entered();
    this.drawTabs();
  }

  describe(kind, text) {
    this.chats.get(kind)?.describe(text);
  }

  // The phone came into view, or its tab in the browser did: the chat that is open counts as read.
  noticeView() {
    if (!this.chat.isVisible || !this.chat.unread) return;
    this.chat.entered();
    this.drawTabs();
  }

  // The bots' names above the chat: tabs where there are several.
  drawTabs() {
    const { words } = this;
    const isOne = this.chats.size === 1;
    const tabs = [...this.chats].map(([kind, chat]) => {
      const isOpen = chat === this.chat;
      const content = [
        avatar(chat.bot.name),
        el(
          "span",
          { class: "name" },
          el("b", {}, chat.bot.name),
          chat.status
            ? el("small", { class: "doing" }, chat.status, el("i", { "aria-hidden": "true" }))
            : el("small", {}, words.bot),
        ),
        chat.unread > 0 &&
          el(
            "span",
            { class: "unread", role: "img", "aria-label": `${chat.unread} ${words.unread}` },
            String(chat.unread),
          ),
      ];
      if (isOne) return el("div", { class: "tab", "data-key": kind }, content);
      return el(
        "button",
        {
          type: "button",
          role: "tab",
          class: "tab",
          id: `${this.id}-tab-${kind}`,
          "data-action": `chat:${kind}`,
          "aria-selected": String(isOpen),
          "aria-controls": `${this.id}-${kind}`,
          tabindex: isOpen ? "0" : "-1",
        },
        content,
      );
    });
    morph(this.tabs, el("div", { class: "bots", ...(!isOne && { role: "tablist", "aria-label": words.chats }) }, tabs));
    for (const [kind, { node }] of this.chats) {
      if (!isOne) node.setAttribute("role", "tabpanel");
      if (!isOne) node.setAttribute("aria-labelledby", `${this.id}-tab-${kind}`);
    }
    this.moreButton.setAttribute("aria-label", words.more);
    this.node.lang = this.language;
    this.node.dispatchEvent(new CustomEvent("unread", { detail: this.unread }));
  }

  chatChanged() {
    if (this.chat) this.drawTabs();
  }

  tabKey(event) {
    const tabs = [...this.tabs.querySelectorAll("[role=tab]")];
    const key = { ArrowRight: "ArrowDown", ArrowLeft: "ArrowUp", Home: "Home", End: "End" }[event.key];
    if (!tabs.length || !key) return;
    step({ key, preventDefault: () => event.preventDefault() }, tabs);
    this.show(document.activeElement.dataset.action.slice("chat:".length));
  }

  // Tells screen readers of a new message.
  announce(chat, text) {
    this.spoken.textContent = `${this.person.name}, ${chat.bot.name}: ${text.slice(0, SPOKEN)}`;
  }

  say(text) {
    this.overlays.say(text);
  }

  // The answer of a bot to a tap: a short notice, or an alert that has to be closed.
  answer(chat, { text, show_alert: isAlert }) {
    if (isAlert) this.overlays.alert(text, this.words, chat.bot.name);
    else this.say(text);
  }

  openMenu() {
    const { words, chat } = this;
    const isBlocked = Boolean(chat.screen?.blocked);
    const languages = Object.entries(LANGUAGES).map(([code, name]) => ({
      action: `language:${code}`,
      label: name,
      isChecked: code === this.language,
      run: () => this.changeLanguage(code),
    }));
    const begun = chat.screen && (chat.screen.started ?? chat.screen.messages.length > 0);
    const block = {
      action: isBlocked ? "unblock" : "block",
      icon: "block",
      label: isBlocked ? words.unblock : words.block,
      run: () => chat.block(!isBlocked),
    };
    this.overlays.menu("more", words.more, [...languages, ...(begun ? [block] : [])], words.language);
  }

  async changeLanguage(code) {
    const { id, name, username } = this.person;
    try {
      await post("/telegram/people", { id, first_name: name, username, language_code: code });
    } catch (error) {
      return this.say(error.message);
    }
    this.setLanguage(code);
    for (const chat of this.chats.values()) {
      chat.composer.translate();
      if (chat.screen) chat.draw();
    }
    this.drawTabs();
    return this.say(this.words.languageChanged);
  }

  // The person has changed, such as by a new ID photo.
  introduce(person) {
    const isNew = person.photo !== this.person.photo;
    this.person = person;
    if (isNew) this.face.replaceChildren(avatar(person.name, person.photo));
  }

  enlarge(image) {
    const zoom = el(
      "button",
      { type: "button", class: "zoom", "data-action": "zoom", "aria-pressed": "false", title: this.words.zoom },
      el("img", { src: image.src, alt: image.alt }),
    );
    zoom.addEventListener("click", () =>
      zoom.setAttribute("aria-pressed", String(zoom.getAttribute("aria-pressed") === "false")),
    );
    this.overlays.open("picture", image.alt, [el("div", { class: "canvas", tabindex: "0" }, zoom)], {
      words: this.words,
    });
  }

  // A link `https://t.me/<bot>?start=<code>`: the page may ask whose phone opens it; else this one does.
  openLink(username, code, button) {
    if (this.onOpenLink) return this.onOpenLink(username, code, button);
    const [kind, chat] = [...this.chats].find(([, { bot }]) => bot.username.toLowerCase() === username) ?? [];
    if (!chat) return undefined;
    this.show(kind);
    return chat.send({ text: `/start ${code}` });
  }
}
