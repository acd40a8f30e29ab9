/* The running client: one round trip at a time, the loading indicator, overlays, heartbeat, and what goes wrong. */
(function () {
  "use strict";

  var INDICATOR_STAGES = [["first", 300], ["second", 1500], ["third", 5000]];
  var RECONNECT_MS = 5000;
  var node = window.vaadin.widgets.node;

  window.vaadin.startClient = function (appId, name, config, details) {
    var app = document.getElementById(appId);
    var uiQuery = "?v-uiId=" + details["v-uiId"];
    var gwtUid = details.firstGwtUid;
    var running = true;
    var started = false;
    var pending = false;
    var queue = [];
    var clientId = 0;
    var syncId = 0;
    var timers = [];

    var ui = node("div", "v-ui v-scrollable", { tabindex: "1" });
    var indicator = ui.appendChild(node("div", "v-loading-indicator"));
    indicator.style.display = "none";
    indicator.style.position = "absolute";
    app.replaceChildren(ui);
    var overlays = node("div", "v-app v-overlay-container r5", { id: appId + "-overlays" });
    app.after(overlays);

    var drawing = window.vaadin.widgets.drawing({
      themeUrl: config.themeUrl,
      send: send,
      newId: function () { return "gwt-uid-" + gwtUid++; }
    });

    function draw(state) {
      // A pushed state and an answer may overtake each other: the newer one stays.
      if (state.syncId <= syncId) return;
      syncId = state.syncId;
      var now = drawing.all(state);
      var old = ui.children[1];
      if (now.root && old !== now.root) {
        if (old) old.remove();
        ui.appendChild(now.root);
      }
      overlays.querySelectorAll(":scope > .v-window, :scope > .v-window-modalitycurtain").forEach(function (each) {
        if (!now.windows.includes(each)) each.remove();
      });
      now.windows.forEach(function (each) {
        if (each.parentNode === overlays) return;
        overlays.append(node("div", "v-window-modalitycurtain"), each);
        each.focus();
      });
    }

    function send(event) {
      if (!running) return;
      queue.push(event);
      flush();
    }

    function flush() {
      if (pending || !running || !queue.length) return;
      pending = true;
      INDICATOR_STAGES.forEach(function (stage) {
        timers.push(setTimeout(function () {
          indicator.className = "v-loading-indicator " + stage[0];
          indicator.style.display = "block";
        }, stage[1]));
      });
      clientId += 1;
      post("UIDL/", JSON.stringify({ clientId: clientId, rpc: queue.splice(0) }), answered);
    }

    function answered(answer) {
      draw(answer);
      endRequest();
      if (answer.reload) location.reload();
      else flush();
    }

    function endRequest() {
      pending = false;
      timers.forEach(clearTimeout);
      timers = [];
      indicator.style.display = "none";
    }

    /* A server that cannot be reached, or is broken, is tried again with the same message; any other refusal,
     * and a session that is gone, ends the application. */
    function post(what, body, done) {
      fetch(config.serviceUrl + what + uiQuery, { method: "POST", body: body, credentials: "same-origin" })
        .then(function (response) {
          if (response.status >= 500) throw new TypeError("status " + response.status);
          return response.text();
        })
        .then(function (text) {
          reconnecting(false);
          if (!running) return;
          var answer = text ? JSON.parse(text) : {};
          if (answer.appError) stop(answer.appError);
          else done(answer);
        }, function () {
          if (!running) return;
          reconnecting(true);
          setTimeout(function () { if (running) post(what, body, done); }, RECONNECT_MS);
        });
    }

    function reconnecting(now) {
      var dialog = document.querySelector(".v-reconnect-dialog");
      document.body.classList.toggle("v-reconnecting", now);
      if (!now && dialog) dialog.remove();
      if (now && !dialog) {
        dialog = document.body.appendChild(node("div", "v-reconnect-dialog active"));
        dialog.appendChild(node("div", "spinner"));
        dialog.appendChild(node("span", "text")).textContent = "Server connection lost, trying to reconnect...";
      }
    }

    function stop(error) {
      running = false;
      queue = [];
      endRequest();
      var notification = node("div",
        "v-Notification system v-Notification-system v-position-top v-position-center", { role: "alert" });
      var inside = notification.appendChild(node("div", "popupContent")).appendChild(node("div", "gwt-HTML"));
      inside.appendChild(node("h1", "v-Notification-caption")).textContent = error.caption;
      inside.appendChild(node("p", "v-Notification-description")).textContent = error.message;
      notification.addEventListener("click", function () { location.reload(); });
      overlays.appendChild(notification);
    }

    function heartbeat() {
      if (running) post("HEARTBEAT/", null, beatLater);
    }

    function beatLater() {
      setTimeout(heartbeat, details.heartbeatSeconds * 1000);
    }

    function listen() {
      var channel = new WebSocket(location.origin.replace(/^http/, "ws") + config.serviceUrl + "PUSH" + uiQuery);
      channel.onmessage = function (message) { if (running) draw(JSON.parse(message.data)); };
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
      isActive: function () { return !started || pending; },
      getVersionInfo: function () { return config.versionInfo; }
    };
    // A request cut off by leaving the page is no lost connection.
    window.addEventListener("pagehide", function () { running = false; });
    draw(details.uidl);
    started = true;
    beatLater();
    listen();
    // Later than the first state: for a moment the page is neither active nor complete.
    setTimeout(function () { send({ event: "device", value: deviceId() }); }, 0);
  };
})();
