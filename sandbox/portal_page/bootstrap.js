/* Starts the application on the nearly empty page: loads the theme and the client, and asks for this page's UI. */
(function () {
  "use strict";

  window.vaadin = {
    clients: {},

    initApplication: function (appId, config) {
      var name = appId.replace(/-\d+$/, "");
      // What a driver sees from now until the client has both its script and its first state.
      window.vaadin.clients[name] = { initializing: true, isActive: function () { return true; } };

      var style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = config.styleSheet;
      document.head.appendChild(style);

      var script = document.createElement("script");
      script.src = config.widgetset;
      var scriptLoaded = new Promise(function (resolve) { script.onload = resolve; });
      document.head.appendChild(script);

      var details = new URLSearchParams({
        "v-browserDetails": "1",
        "v-appId": appId,
        "v-sw": screen.width,
        "v-sh": screen.height,
        "v-cw": document.documentElement.clientWidth,
        "v-ch": document.documentElement.clientHeight,
        "v-loc": location.href,
        // By this the server knows the tab: the name outlives the page.
        "v-wn": window.name || (window.name = appId + "-" + Math.random())
      });
      var asked = fetch(config.serviceUrl + "/?v-" + Date.now(), {
        method: "POST", body: details, credentials: "same-origin"
      }).then(function (answer) { return answer.json(); });

      Promise.all([scriptLoaded, asked]).then(function (results) {
        window.vaadin.startClient(appId, name, config, results[1]);
      });
    }
  };
})();
