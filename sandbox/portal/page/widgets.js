/* Draws the server's component tree as the DOM of Vaadin 7 widgets.
 * A component keeps its nodes while its connector id stays; a redraw brings new ids and so new nodes. */
(function () {
  "use strict";

  var BASE = {
    VerticalLayout: "v-verticallayout v-layout v-vertical v-widget v-has-width",
    HorizontalLayout: "v-horizontallayout v-layout v-horizontal v-widget",
    CssLayout: "v-csslayout v-layout v-widget v-has-width",
    InformationComponent: "v-information-component v-layout v-widget",
    FormLayout: "v-formlayout v-layout v-widget v-has-width",
    Label: "v-label v-widget v-has-width",
    Button: "v-button v-widget",
    ComboBox: "v-filterselect v-widget",
    PasswordField: "v-textfield v-widget",
    CheckBox: "v-checkbox v-widget",
    Window: "v-window v-widget",
    Notification: "v-Notification"
  };
  var MARGIN = " v-margin-top v-margin-right v-margin-bottom v-margin-left";

  function node(tag, className, attributes) {
    var element = document.createElement(tag);
    if (className) element.className = className;
    Object.entries(attributes || {}).forEach(function (each) { element.setAttribute(each[0], each[1]); });
    return element;
  }

  function classes(state) {
    var base = BASE[state.type];
    var own = base.split(" ")[0];
    var styles = state.styles.map(function (style) { return " " + style + " " + own + "-" + style; });
    return base + styles.join("") + (state.margin ? MARGIN : "");
  }

  function drawing(page) {
    var drawn = {};
    var next = {};

    function draw(state) {
      var widget = drawn[state.id] || next[state.id];
      if (!widget) {
        widget = make[state.type](state);
        widget.children = "";
      }
      next[state.id] = widget;
      widget.update(state, widget);
      return widget.element;
    }

    /* Rebuilds the children only if they changed, so that the focus survives an answer. */
    function fill(widget, state, place) {
      var elements = state.children.map(draw);
      var ids = state.children.map(function (child) { return child.id; }).join(" ");
      if (widget.children === ids) return;
      widget.children = ids;
      place(elements);
    }

    function slots(state) {
      var element = node("div", classes(state));
      var inside = state.expand ? element.appendChild(node("div", "v-expand")) : element;
      return {
        element: element,
        update: function (now, widget) {
          fill(widget, now, function (elements) {
            inside.replaceChildren();
            elements.forEach(function (child, index) {
              if (now.spacing && index) inside.appendChild(node("div", "v-spacing"));
              var styles = now.children[index].styles.map(function (style) { return " v-slot-" + style; });
              inside.appendChild(node("div", "v-slot" + styles.join(""))).appendChild(child);
            });
          });
        }
      };
    }

    function plain(state) {
      var element = node("div", classes(state));
      return {
        element: element,
        update: function (now, widget) {
          fill(widget, now, function (elements) { element.replaceChildren.apply(element, elements); });
        }
      };
    }

    /* One row for each field; ids and "for" are numbered as by GWT, so they are useless as locators. */
    function form(state) {
      var element = node("div", classes(state));
      var table = element.appendChild(node("table",
        "v-formlayout-margin-top v-formlayout-margin-bottom v-formlayout-spacing",
        { cellpadding: "0", cellspacing: "0", role: "presentation" }));
      table.appendChild(node("colgroup")).appendChild(node("col"));
      var body = table.appendChild(node("tbody"));
      return {
        element: element,
        update: function (now, widget) {
          fill(widget, now, function (elements) {
            body.replaceChildren.apply(body, elements.map(function (child, index) {
              return row(now.children[index], child);
            }));
            body.firstChild.classList.add("v-formlayout-firstrow");
            body.lastChild.classList.add("v-formlayout-lastrow");
          });
        }
      };
    }

    function row(state, child) {
      var line = node("tr", "v-formlayout-row");
      var captionCell = line.appendChild(node("td", "v-formlayout-captioncell"));
      var input = child.matches("input") ? child : child.querySelector("input[type=text]");
      if (input) {
        var captionId = page.newId();
        input.id = page.newId();
        input.setAttribute("aria-labelledby", captionId);
        var caption = captionCell.appendChild(node("div", "v-caption v-caption-hasdescription"));
        caption.appendChild(node("span", "", { id: captionId, "for": input.id })).textContent = state.caption;
      } else {
        captionCell.appendChild(node("div", "gwt-HTML"));
      }
      line.appendChild(node("td", "v-formlayout-errorcell")).appendChild(
        node("div", "v-formlayout-error-indicator"));
      line.appendChild(node("td", "v-formlayout-contentcell")).appendChild(child);
      return line;
    }

    function label(state) {
      var element = node("div", classes(state));
      var shown = null;
      return {
        element: element,
        update: function (now) {
          if (now.html !== shown) element.innerHTML = shown = now.html;
        }
      };
    }

    function button(state) {
      var element = node("div", classes(state), { role: "button", tabindex: "0" });
      var wrap = element.appendChild(node("span", "v-button-wrap"));
      if (state.image) wrap.appendChild(node("img", "v-icon", { src: page.themeUrl + state.image, alt: "" }));
      if (state.glyph) wrap.appendChild(node("span", "v-icon FontAwesome")).textContent = state.glyph;
      var caption = wrap.appendChild(node("span", "v-button-caption"));
      var disabled = false;
      function click() {
        if (!disabled) page.send({ id: state.id, event: "click" });
      }
      // As in Vaadin a scripted click works too, but it moves no focus, so no field's value is sent.
      element.addEventListener("click", click);
      element.addEventListener("keydown", function (event) { if (event.key === "Enter") click(); });
      element.addEventListener("keyup", function (event) { if (event.key === " ") click(); });
      return {
        element: element,
        click: click,
        update: function (now) {
          caption.textContent = now.caption;
          disabled = Boolean(now.disabled);
          element.classList.toggle("v-disabled", disabled);
          element.setAttribute("tabindex", disabled ? "-1" : "0");
          if (disabled) element.setAttribute("aria-disabled", "true");
          else element.removeAttribute("aria-disabled");
        }
      };
    }

    function comboBox(state) {
      return window.vaadin.widgets.comboBox(node("div", classes(state), { role: "combobox" }), state.id, page);
    }

    /* Its value is sent with the next immediate event: the click on the button. */
    function passwordField(state) {
      var element = node("input", classes(state), { type: "password", tabindex: "0" });
      var sent = "";
      function sendValue() {
        if (element.value === sent) return;
        sent = element.value;
        page.send({ id: state.id, event: "value", value: sent }, true);
      }
      element.addEventListener("focus", function () { element.classList.add("v-textfield-focus"); });
      element.addEventListener("blur", function () {
        element.classList.remove("v-textfield-focus");
        sendValue();
      });
      element.addEventListener("keydown", function (event) {
        if (event.key !== "Enter") return;
        sendValue();
        drawn[state.enterClicks].click();
      });
      return { element: element, update: function () {} };
    }

    function checkBox(state) {
      var element = node("span", classes(state));
      var input = element.appendChild(
        node("input", "", { type: "checkbox", value: "on", id: page.newId(), tabindex: "0" }));
      var caption = element.appendChild(node("label", "", { "for": input.id }));
      input.addEventListener("change", function () {
        page.send({ id: state.id, event: "value", value: input.checked }, true);
      });
      return {
        element: element,
        update: function (now) { caption.textContent = now.caption; }
      };
    }

    function dialog(state) {
      var element = node("div", classes(state), { role: "dialog", "aria-relevant": "additions" });
      var wrap = element.appendChild(node("div", "popupContent")).appendChild(node("div", "v-window-wrap"));
      wrap.appendChild(node("div", "", { tabindex: "0", "aria-label": "Top of dialog" }));
      var head = wrap.appendChild(node("div", "v-window-outerheader"));
      // Two more elements with the role of a button, but without its class.
      head.appendChild(node("div", "v-window-maximizebox v-window-maximizebox-disabled",
        { tabindex: "0", role: "button", "aria-label": "maximize button", id: state.id + "_window_maximizerestore" }));
      var closeBox = head.appendChild(node("div", "v-window-closebox",
        { tabindex: "0", role: "button", "aria-label": "close button", id: state.id + "_window_close" }));
      if (!state.closable) closeBox.remove();
      var header = head.appendChild(node("div", "v-window-header", { id: page.newId() }));
      var contents = wrap.appendChild(node("div", "v-window-contents"))
        .appendChild(node("div", "v-scrollable", { tabindex: "0" }));
      wrap.appendChild(node("div", "v-window-footer v-window-footer-noresize"))
        .appendChild(node("div", "v-window-resizebox v-window-resizebox-disabled"));
      wrap.appendChild(node("div", "", { tabindex: "0", "aria-label": "Bottom of Dialog" }));
      element.setAttribute("aria-labelledby", header.id);
      function close() { page.send({ id: state.id, event: "close" }); }
      closeBox.addEventListener("click", close);
      element.addEventListener("keydown", function (event) { if (event.key === "Escape") close(); });
      return {
        element: element,
        update: function (now) {
          header.replaceChildren(
            node("span", "v-assistive-device-only"), now.caption, node("span", "v-assistive-device-only"));
          var inner = draw(now.content);
          if (contents.firstChild !== inner) contents.replaceChildren(inner);
        }
      };
    }

    function notification(state) {
      var element = node("div", classes(state) + " v-Notification-error v-position-middle", { role: "alert" });
      element.style.cssText = "position: absolute; top: 40%; left: 40%; padding: 1em; background: #fdd; z-index: 20000";
      var inside = element.appendChild(node("div", "popupContent")).appendChild(node("div", "gwt-HTML"));
      inside.appendChild(node("h1", "v-Notification-caption")).textContent = state.caption;
      element.addEventListener("click", function () { page.send({ id: state.id, event: "close" }); });
      return { element: element, update: function () {} };
    }

    var make = {
      VerticalLayout: slots, HorizontalLayout: slots, CssLayout: plain, InformationComponent: plain,
      FormLayout: form, Label: label, Button: button, ComboBox: comboBox, PasswordField: passwordField,
      CheckBox: checkBox, Window: dialog, Notification: notification
    };

    return {
      /* Draws the whole state; returns the root node (or null) and the window nodes. */
      all: function (state) {
        next = {};
        var result = {
          root: state.ui && draw(state.ui),
          windows: state.windows.map(draw)
        };
        drawn = next;
        return result;
      },
      /* Whether this component is on the page. */
      has: function (id) { return id in drawn; },
      /* Whether a component waits for something besides the answer to a round trip. */
      isWorkPending: function () {
        return Object.values(drawn).some(function (widget) { return widget.isWorkPending && widget.isWorkPending(); });
      }
    };
  }

  window.vaadin.widgets = { node: node, drawing: drawing };
})();
