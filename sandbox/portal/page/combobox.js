/* A combo box that accepts new values, like Vaadin's VFilterSelect with its defect: each key requests suggestions
 * from the server, and if the focus leaves before they arrive, the typed text is lost. */
(function () {
  "use strict";

  var node = window.vaadin.widgets.node;
  // Keys that request no suggestions.
  var SILENT = ["Enter", "Tab", "Shift", "Control", "Alt", "ArrowDown", "ArrowUp", "PageDown", "PageUp", "Escape"];

  window.vaadin.widgets.comboBox = function (element, id, page) {
    var input = element.appendChild(node("input", "v-filterselect-input",
      { type: "text", autocomplete: "nope", tabindex: "0" }));
    element.appendChild(node("div", "v-filterselect-button", { "aria-hidden": "true", role: "button" }));
    var popup = suggestionPopup();
    var painted = null;
    var selected = "";
    var suggestions = [];
    var filter = "";
    var sent = null;
    var focused = false;
    var prompting = true;
    var waiting = false;
    var commitWhenAnswered = false;

    function send(event, value) {
      page.send({ id: id, event: event, value: value });
    }

    function show(text, isPrompt) {
      input.value = text;
      prompting = isPrompt;
      element.classList.toggle("v-filterselect-prompt", prompting);
    }

    function commit() {
      if (selected && !input.value) {
        send("value", "");
        popup.remove();
        return;
      }
      commitWhenAnswered = waiting;
      if (!waiting) commitNow();
    }

    function commitNow() {
      commitWhenAnswered = false;
      popup.remove();
      var typed = input.value;
      if (suggestions.includes(typed)) {
        show(typed, false);
        if (typed !== selected) send("value", typed);
        selected = typed;
      } else if (!prompting && typed !== sent) {
        sent = typed;
        send("value", typed);
      }
    }

    function open() {
      popup.querySelector("tbody").replaceChildren.apply(popup.querySelector("tbody"), suggestions.map(function (each) {
        var line = node("tr");
        line.appendChild(node("td", "gwt-MenuItem", { role: "listitem" }))
          .appendChild(node("span")).textContent = each;
        line.addEventListener("click", function () {
          input.value = each;
          commitNow();
        });
        return line;
      }));
      var box = element.getBoundingClientRect();
      popup.style.left = box.left + "px";
      popup.style.top = box.bottom + "px";
      page.overlays.appendChild(popup);
    }

    input.addEventListener("keyup", function (event) {
      if (SILENT.includes(event.key) || input.value === filter) return;
      filter = input.value;
      waiting = true;
      send("filter", filter);
    });
    input.addEventListener("keydown", function (event) {
      if (event.key === "Enter" && waiting) {
        event.preventDefault();
      } else if (event.key === "Enter" || (event.key === "Tab" && popup.isConnected)) {
        commit();
      } else if (event.key === "Escape" && popup.isConnected) {
        show(selected, false);
        filter = "";
        popup.remove();
      }
    });
    input.addEventListener("focus", function () {
      focused = true;
      element.classList.add("v-filterselect-focus");
      if (prompting) show("", false);
    });
    input.addEventListener("blur", function () {
      focused = false;
      element.classList.remove("v-filterselect-focus");
      commit();
      show(selected, !selected);
    });

    return {
      element: element,
      isWorkPending: function () { return waiting; },
      update: function (now) {
        if (now.painted === painted) return;
        painted = now.painted;
        suggestions = now.suggestions;
        sent = null;
        if (!waiting) {
          if (now.value !== selected || !now.value) show(now.value, !now.value && !focused);
          selected = now.value;
        } else if (filter.toLowerCase() === now.filter) {
          waiting = false;
          // Deferred, so that it runs after the next line.
          setTimeout(open, 0);
          if (commitWhenAnswered) commitNow();
        }
      }
    };
  };

  function suggestionPopup() {
    var popup = node("div", "v-filterselect-suggestpopup", { id: "VAADIN_COMBOBOX_OPTIONLIST", role: "list" });
    var content = popup.appendChild(node("div", "popupContent"));
    content.appendChild(node("div", "v-filterselect-prevpage-off")).appendChild(node("span")).textContent = "Prev";
    content.appendChild(node("div", "v-filterselect-suggestmenu"))
      .appendChild(node("table")).appendChild(node("tbody"));
    content.appendChild(node("div", "v-filterselect-nextpage-off")).appendChild(node("span")).textContent = "Next";
    content.appendChild(node("div", "v-filterselect-status"));
    // A click inside keeps the focus in the field; any other closes the popup.
    popup.addEventListener("mousedown", function (event) { event.preventDefault(); });
    document.addEventListener("mousedown", function (event) { if (!popup.contains(event.target)) popup.remove(); });
    return popup;
  }
})();
