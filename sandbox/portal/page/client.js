/* The client: one round trip at a time, loading indicator, overlays, heartbeat, and error handling. */
(function () {
  "use strict";

  // Vaadin's delays in milliseconds.
  var INDICATOR_STAGES = [
    [300, "first"], [1500, "second v-loading-indicator-delay"], [5000, "third v-loading-indicator-wait"]
  ];
  var DIALOG_AFTER = 400;
  var DIALOG_AT_START = 30;
  var node = window.vaadin.widgets.node;

  window.vaadin.startClient = function (appId, name, config, details) {
    var app = document.getElementById(appId);
    var uiQuery = "?v-uiId=" + details["v-uiId"];
    var initial = JSON.parse(details.uidl);
    var gwtUid = details.firstGwtUid;
    var running = true;
    var started = false;
    var pending = false;
    var queue = [];
    var flushWanted = false;
    var clientId = 0;
    var syncId = 0;
    var indicatorTimers = [];
    var dialogTimer = null;
    var failing = new Set();

    var ui = node("div", "v-ui v-scrollable", { tabindex: "1" });
    var indicator = ui.appendChild(node("div", "v-loading-indicator first"));
    indicator.style.display = "none";
    indicator.style.position = "absolute";
    app.replaceChildren(ui);
    var overlays = node("div", "v-app v-overlay-container r5", {
      id: appId + "-overlays", "aria-live": "assertive", "aria-relevant": "additions",
      "aria-label": "This content is announced automatically and does not need to be navigated into."
    });
    overlays.appendChild(node("div", "v-tooltip", { role: "tooltip" })).innerHTML =
      '<div class="popupContent"><div><div class="v-errormessage" aria-hidden="true"></div>' +
      '<div class="v-tooltip-text"> </div></div></div>';
    app.after(overlays);
    var dialog = reconnectDialog();

    var drawing = window.vaadin.widgets.drawing({
      themeUrl: new URL(config.vaadinDir + "themes/" + config.theme + "/", location.href).href,
      overlays: overlays,
      send: send,
      newId: function () { return "gwt-uid-" + gwtUid++; }
    });

    function draw(state) {
      // A pushed state and an answer may arrive out of order: keep the newer one.
      if (state.syncId <= syncId) return;
      syncId = state.syncId;
      var now = drawing.all(state);
      var old = ui.children[1];
      if (now.root && old !== now.root) {
        if (old) old.remove();
        ui.appendChild(now.root);
      }
      function isNotification(each) { return each.classList.contains("v-Notification"); }
      overlays.querySelectorAll(":scope > .v-window, :scope > .v-Notification-error").forEach(function (each) {
        if (now.windows.includes(each)) return;
        if (!isNotification(each)) each.previousElementSibling.remove();
        each.remove();
      });
      document.body.classList.toggle("v-modal-window-open", now.windows.length > 0 && !isNotification(now.windows[0]));
      now.windows.forEach(function (each) {
        if (each.parentNode === overlays) return;
        if (isNotification(each)) {
          overlays.append(each);
          return;
        }
        overlays.append(node("div", "v-window-modalitycurtain"), each);
        each.querySelector(".v-scrollable").focus();
      });
    }

    /* A delayed event is sent with the next one that is not. A field's new value replaces an unsent older one. */
    function send(event, isDelayed) {
      if (!running) return;
      var last = queue[queue.length - 1];
      if (last && last.id === event.id && last.event === event.event && "value" in event) queue.pop();
      queue.push(event);
      flushWanted = flushWanted || !isDelayed;
      flush();
    }

    function flush() {
      if (pending || !running || !flushWanted) return;
      flushWanted = false;
      // Clicks on components that an answer has removed meanwhile are lost silently.
      var events = queue.splice(0).filter(function (event) { return !event.id || drawing.has(event.id); });
      if (!events.length) return;
      pending = true;
      indicatorTimers = INDICATOR_STAGES.map(function (stage) {
        return setTimeout(function () {
          indicator.className = "v-loading-indicator " + stage[1];
          indicator.style.display = "block";
        }, stage[0]);
      });
      clientId += 1;
      roundTrip(JSON.stringify({ clientId: clientId, rpc: events }));
    }

    function endRequest() {
      pending = false;
      hideIndicator();
    }

    function hideIndicator() {
      indicatorTimers.forEach(clearTimeout);
      indicator.style.display = "none";
    }

    function roundTrip(body) {
      post("UIDL/", body, function (status, text) {
        if (status === 401) return stop(config.authErrMsg, "");
        if (status !== 200) return false;
        var answer;
        try {
          answer = JSON.parse(text);
        } catch (_) {
          return stop(config.comErrMsg, "Invalid JSON response from server: " + text);
        }
        if (answer.appError) return stop(answer.appError);
        draw(answer);
        endRequest();
        if (answer.reload) location.reload();
        else flush();
        return true;
      });
    }

    function heartbeat() {
      post("HEARTBEAT/", null, function (status) {
        if (status === 410) return stop(config.sessExpMsg);
        // 404: the UI is gone, but not the session. The next round trip will show it.
        if (status !== 200 && status !== 404) return false;
        beatLater();
        return true;
      });
    }

    function beatLater() {
      setTimeout(heartbeat, config.heartbeatInterval * 1000);
    }

    /* `answered` returns whether the answer is final. Otherwise, or without an answer, the same message is sent again:
     * at once, then every few seconds, and after a moment a dialog is shown. */
    function post(what, body, answered, attempt) {
      if (!running) return;
      fetch(config.serviceUrl + "/" + what + uiQuery, { method: "POST", body: body, credentials: "same-origin" })
        .then(function (response) {
          return response.text().then(function (text) { return [response.status, text]; });
        })
        .catch(function () { return [0, ""]; })
        .then(function (answer) {
          if (!running) return;
          if (answered(answer[0], answer[1])) {
            failing.delete(what);
            if (!failing.size) showDialog(false);
            return;
          }
          if (!running) return;
          if (!failing.size) dialogTimer = setTimeout(showDialog, DIALOG_AFTER, true);
          failing.add(what);
          setTimeout(post, attempt ? details.reconnectMilliseconds : 0, what, body, answered, true);
        });
    }

    function showDialog(wanted) {
      clearTimeout(dialogTimer);
      document.body.classList.toggle("v-reconnecting", wanted);
      dialog.remove();
      if (!wanted) return;
      hideIndicator();
      overlays.appendChild(dialog);
    }

    function reconnectDialog() {
      var element = node("div", "gwt-PopupPanel v-reconnect-dialog active");
      var inside = element.appendChild(node("div", "popupContent")).appendChild(node("div"));
      inside.appendChild(node("div", "gwt-HTML spinner"));
      inside.appendChild(node("div", "gwt-Label text")).textContent =
        "Server connection lost, trying to reconnect...";
      return element;
    }

    /* At every start the hidden dialog exists for a moment, so that its resources are loaded before the server fails. */
    function preloadDialog() {
      dialog.style.visibility = "hidden";
      overlays.appendChild(dialog);
      setTimeout(function () {
        dialog.style.visibility = "";
        dialog.remove();
        started = true;
      }, DIALOG_AT_START);
    }

    /* Stops the client: from now on the page shows its last state and does not react. */
    function stop(error, errorDetails) {
      running = false;
      queue = [];
      clearTimeout(dialogTimer);
      endRequest();
      var notification = node("div",
        "v-Notification system v-Notification-system v-position-top v-position-center", { role: "alert" });
      var inside = notification.appendChild(node("div", "popupContent")).appendChild(node("div", "gwt-HTML"));
      inside.appendChild(node("h1", "v-Notification-caption")).textContent = error.caption;
      inside.appendChild(node("p", "v-Notification-description")).innerHTML = error.message;
      if (errorDetails !== undefined) {
        inside.appendChild(node("p", "v-Notification-details")).appendChild(node("i")).innerHTML = errorDetails;
      }
      notification.addEventListener("click", function () { location.reload(); });
      document.addEventListener("keydown", function (event) { if (event.key === "Escape") location.reload(); });
      overlays.appendChild(notification);
      return false;
    }

    function listen() {
      var address = new URL(config.serviceUrl + "/PUSH" + uiQuery, location.href);
      var channel = new WebSocket(address.href.replace(/^http/, "ws"));
      channel.onmessage = function (message) {
        var state = JSON.parse(message.data);
        if (!running) return;
        if (state.appError) stop(state.appError);
        else draw(state);
      };
    }

    function deviceId() {
      var id = localStorage.getItem("r5-device-id");
      if (!id) {
        id = Array.from(crypto.getRandomValues(new Uint8Array(16)), function (each) {
          return each.toString(16).padStart(2, "0");
        }).join("");
        localStorage.setItem("r5-device-id", id);
      }
      return id;
    }

    window.vaadin.clients[name] = {
      initializing: false,
      isActive: function () { return !started || pending || (running && drawing.isWorkPending()); },
      getVersionInfo: function () { return config.versionInfo; }
    };
    // A request aborted by leaving the page is no lost connection.
    window.addEventListener("pagehide", function () { running = false; });
    draw(initial);
    preloadDialog();
    beatLater();
    if (details.push) listen();
    if (details.reloadMilliseconds) setTimeout(function () { location.reload(); }, details.reloadMilliseconds);
    // The server sends the form only after this.
    if (!initial.ui) send({ event: "device", value: deviceId() });
  };
})();
