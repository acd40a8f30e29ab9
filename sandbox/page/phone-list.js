// The messages of a chat as a list that scrolls: it stays at its end until the reader scrolls up, and keeps its nodes.

import { el, icon, morph } from "./phone-dom.js";

const NEAR_END = 60; // pixels

export class MessageList {
  constructor(chat) {
    this.chat = chat;
    this.atEnd = true;
    this.below = 0; // new messages below what is in view
    this.drawn = new Map(); // key of a node -> what it was drawn from
    this.items = el("div", { class: "items" });
    this.log = el("div", { class: "messages", role: "log", "aria-live": "off", tabindex: "0" }, this.items);
    this.down = el("button", { type: "button", class: "to-end", "data-action": "to-end", hidden: true }, icon("down"));
    this.node = el("div", { class: "wall" }, this.log, this.down);
    this.down.addEventListener("click", () => {
      this.toEnd();
      this.log.focus({ preventScroll: true });
    });
    this.log.addEventListener("scroll", () => this.scrolled());
    // an animation would start again each time the chat comes into view
    this.items.addEventListener("animationend", (event) => event.target.classList.remove("fresh"));
    const resized = new ResizeObserver(() => this.atEnd && this.toEnd());
    resized.observe(this.log);
    resized.observe(this.items);
  }

  scrolled() {
    if (!this.log.clientHeight) return; // out of view
    if (this.atEnd && this.size !== this.measured()) return this.toEnd(); // not the reader scrolled, the list changed
    this.atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < NEAR_END;
    this.top = this.log.scrollTop;
    if (this.atEnd) this.below = 0;
    this.drawDown();
  }

  measured() {
    return `${this.log.clientHeight} ${this.log.scrollHeight}`;
  }

  toEnd() {
    this.atEnd = true;
    this.below = 0;
    this.size = this.measured();
    this.log.scrollTop = this.log.scrollHeight;
    this.drawDown();
  }

  // The chat came back into view.
  restore() {
    if (this.atEnd) this.toEnd();
    else this.log.scrollTop = this.top ?? 0;
  }

  // So many messages of the bot have arrived.
  grew(count) {
    if (!this.atEnd) this.below += count;
    this.drawDown();
  }

  drawDown() {
    const { words } = this.chat;
    this.down.hidden = this.atEnd;
    this.down.dataset.count = this.below || "";
    this.down.setAttribute("aria-label", this.below ? `${words.toEnd}, ${this.below} ${words.unread}` : words.toEnd);
    this.log.setAttribute("aria-label", this.chat.bot.name);
  }

  // Shows these items: {key, drawn, node()}. Nodes of what is unchanged stay, edited ones change in place.
  keep(wanted) {
    const held = this.items.contains(document.activeElement);
    const isFirst = !this.drawn.size;
    const keys = new Set(wanted.map(({ key }) => key));
    for (const node of [...this.items.children].filter((each) => !keys.has(each.dataset.key))) {
      this.drawn.delete(node.dataset.key);
      node.remove();
    }
    const known = new Map([...this.items.children].map((node) => [node.dataset.key, node]));
    let at = this.items.firstChild;
    for (const { key, drawn, node: create } of wanted) {
      let node = known.get(key);
      if (!node) {
        node = create();
        node.classList.toggle("fresh", !isFirst);
      } else if (this.drawn.get(key) !== drawn) morph(node, create());
      this.drawn.set(key, drawn);
      if (node === at) at = at.nextSibling;
      else this.items.insertBefore(node, at);
    }
    // the message with the focused button was deleted
    if (held && !this.items.contains(document.activeElement)) this.log.focus({ preventScroll: true });
  }
}
