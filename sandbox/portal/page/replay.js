/* Draws the views of a trace (server: replay.py). What a click does is not in a trace: a sign-in always succeeds or
 * fails as it did in the trace, and a click on a lesson's button disables it, which is a guess. */
(function () {
  "use strict";

  const CHECK_EVERY = 100; // milliseconds
  const COUNTDOWN = /minutes? left|осталось|қалды/i;
  let active = true;
  let at = null; // the number of the view on the page
  let marked = [];

  window.vaadin = {
    getAppIds: () => [],
    clients: { RegistrationOnline: { initializing: true, isActive: () => active } },
  };

  const ask = (body) => fetch("replay", {
    method: "POST", credentials: "same-origin", body: JSON.stringify({ at, ...body }),
  }).then((answer) => answer.json());

  function element([tag, classes, attributes, children]) {
    const drawn = document.createElement(tag);
    drawn.className = classes.join(" ");
    attributes.forEach(([name, value]) => {
      if (name === "style") drawn.style.visibility = value;
      else drawn.setAttribute(name, value);
    });
    drawn.append(...children.map((child) => (typeof child === "string" ? child : element(child))));
    return drawn;
  }

  const cards = () => {
    const complete = [...document.querySelectorAll(".v-verticallayout-card")].filter(
      (each) => each.querySelector(".v-label-bold") && each.querySelector(".v-button"));
    return complete.filter((each) => !complete.some((other) => other !== each && each.contains(other)));
  };

  const lesson = (card) => [...card.querySelector(".v-label-bold").childNodes]
    .map((node) => node.textContent).filter((line) => line && !COUNTDOWN.test(line)).join("\n");

  function showMarks() {
    cards().filter((card) => marked.includes(lesson(card))).forEach((card) => {
      const button = card.querySelector(".v-button");
      button.classList.add("v-disabled");
      button.setAttribute("aria-disabled", "true");
      (button.querySelector(".v-button-caption") || button).textContent = "Отмечен";
    });
  }

  function draw(answer) {
    if (answer.marked) marked = answer.marked;
    if (answer.tree) {
      const [, classes, , children] = answer.tree;
      document.body.className = classes.join(" ");
      document.body.replaceChildren(...children.map((child) => (typeof child === "string" ? child : element(child))));
    }
    if (answer.at !== undefined) at = answer.at;
    if (answer.foreign) { // a page of another server has nothing of Vaadin's, nor the portal's title
      document.title = "";
      delete window.vaadin;
      return;
    }
    showMarks();
    active = !answer.ready;
    window.vaadin.clients.RegistrationOnline.initializing = active;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".v-button");
    if (!button || active || button.classList.contains("v-disabled")) return;
    const card = cards().find((each) => each.contains(button));
    const body = card ? { event: "mark", lesson: lesson(card) }
      : document.querySelector("input[type=password]") ? { event: "sign-in" } : { event: "other" };
    active = true;
    ask(body).then((answer) => (answer.reload ? location.reload() : draw(answer)));
  });

  const check = () => {
    if (active) return setTimeout(check, CHECK_EVERY);
    return ask({ event: "check" }).then((answer) => {
      if (!active && answer.at !== undefined) draw(answer);
      setTimeout(check, CHECK_EVERY);
    });
  };

  ask({ event: "load" }).then((answer) => {
    draw(answer);
    if (answer.ready && !answer.foreign) check();
  });
})();
