// What lies over a phone's screen: sheets, menus, alerts and pictures, one at a time, and short notices.

import { el, icon } from "./phone-dom.js";

const NOTICE = 4500; // milliseconds
const FOCUSABLE = ":is(button, a[href], input, textarea, [tabindex='0'])";

let alerts = 0;

export class Overlays {
  // `phone`: the phone's node. `body`: its part that can't be used while something lies over it.
  constructor(phone, body) {
    this.phone = phone;
    this.body = body;
    this.layer = el("div", { class: "overlay", hidden: true });
    this.notice = el("p", { class: "notice", role: "status" });
    phone.append(this.layer, this.notice);
    this.layer.addEventListener("click", (event) => event.target === this.layer && this.close());
    this.notice.addEventListener("click", () => this.say(""));
    phone.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOpen) {
        event.stopPropagation();
        this.close();
      } else if (event.key === "Tab" && this.isOpen) this.keepInside(event);
    });
  }

  get isOpen() {
    return !this.layer.hidden;
  }

  // Lays a dialog over the screen. `name`: its class. `onClose` is called once, however it is closed.
  open(name, label, content, { role = "dialog", words, onClose = null } = {}) {
    this.close();
    this.opener = document.activeElement;
    this.onClose = onClose;
    const heading =
      role === "menu"
        ? null
        : el(
            "header",
            {},
            el("h3", {}, label),
            role === "dialog" &&
              el(
                "button",
                { type: "button", class: "icon-button", "data-action": "close", "aria-label": words.close },
                icon("close"),
              ),
          );
    const attributes = role === "menu" ? {} : { role, "aria-modal": "true", "aria-label": label };
    const dialog = el("div", { ...attributes, class: `sheet ${name}` }, heading, content);
    dialog.querySelector("[data-action=close]")?.addEventListener("click", () => this.close());
    this.layer.replaceChildren(dialog);
    this.layer.className = `overlay of-${name}`;
    this.layer.hidden = false;
    this.body.inert = true;
    // a dialog that opens by itself takes no focus from another phone
    if (this.opener === document.body || this.phone.contains(this.opener)) this.focusFirst();
    return dialog;
  }

  focusFirst() {
    const find = (selector) => this.layer.querySelector(selector);
    const first = find("[aria-checked=true]") ?? find(`.sheet > :not(header) ${FOCUSABLE}, .sheet > ${FOCUSABLE}`);
    (first ?? find(FOCUSABLE))?.focus({ preventScroll: true });
  }

  close() {
    if (!this.isOpen) return;
    const hadFocus = this.layer.contains(document.activeElement) || document.activeElement === document.body;
    this.layer.hidden = true;
    this.layer.replaceChildren();
    this.body.inert = false;
    const { onClose } = this;
    this.onClose = null;
    onClose?.();
    if (hadFocus) this.giveBack();
  }

  // Focus returns to what opened it; a node that was drawn anew meanwhile is found by its action.
  giveBack() {
    const { action } = this.opener?.dataset ?? {};
    const again = this.opener?.isConnected
      ? this.opener
      : [...this.phone.querySelectorAll("[data-action]")].find((each) => action && each.dataset.action === action);
    again?.focus({ preventScroll: true });
  }

  keepInside(event) {
    const all = [...this.layer.querySelectorAll(FOCUSABLE)];
    const last = event.shiftKey ? all[0] : all.at(-1);
    if (!all.length || document.activeElement !== last) return;
    event.preventDefault();
    (event.shiftKey ? all.at(-1) : all[0]).focus();
  }

  // A menu. `items`: {action, icon, label, about, isChecked (a choice of one), run}. `heading`: shown above them.
  menu(name, label, items, heading = "") {
    const buttons = items.map((item) =>
      menuItem(item, () => {
        this.close();
        item.run();
      }),
    );
    const menu = el("div", { role: "menu", "aria-label": label }, buttons);
    menu.addEventListener("keydown", (event) => step(event, buttons));
    this.open(name, label, [heading && el("p", { class: "heading" }, heading), menu], { role: "menu" });
  }

  alert(text, words, title) {
    const ok = el("button", { type: "button", class: "main", "data-action": "ok" }, words.ok);
    ok.addEventListener("click", () => this.close());
    const about = el("p", { id: `alert-${(alerts += 1)}` }, text);
    const dialog = this.open("alert", title, [about, ok], { role: "alertdialog", words });
    dialog.setAttribute("aria-describedby", about.id);
  }

  say(text) {
    clearTimeout(this.timer);
    this.notice.textContent = text;
    if (text) this.timer = setTimeout(() => this.say(""), NOTICE + 40 * text.length);
  }
}

function menuItem({ action, icon: drawing, label, about, isChecked }, run) {
  const role =
    isChecked === undefined ? { role: "menuitem" } : { role: "menuitemradio", "aria-checked": String(isChecked) };
  const button = el(
    "button",
    { type: "button", ...role, "data-action": action },
    drawing && el("span", { class: "badge" }, icon(drawing)),
    el("span", { class: "name" }, label, about && el("small", {}, about)),
  );
  button.addEventListener("click", run);
  return button;
}

// Arrow keys, Home and End in a menu.
export function step(event, items) {
  const at = items.indexOf(document.activeElement);
  const to = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  items[to].focus();
}
