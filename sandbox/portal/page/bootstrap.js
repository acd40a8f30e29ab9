/* Starts the application on the initial page: loads the theme and the client, and requests this page's UI. */
(function () {
  "use strict";

  var apps = {};

  window.vaadin = {
    clients: {},
    getAppIds: function () { return Object.keys(apps); },
    getApp: function (appId) { return apps[appId]; },

    getBrowserDetailsParameters: function () {
      return new URLSearchParams({
        "v-sw": screen.width,
        "v-sh": screen.height,
        "v-cw": document.documentElement.clientWidth,
        "v-ch": document.documentElement.clientHeight,
        "v-loc": location.href,
        // The server identifies the tab by its name, which survives reloads.
        "v-wn": window.name
      }).toString();
    },

    initApplication: function (appId, config) {
      var name = appId.replace(/-\d+$/, "");
      // The state that a driver reads until the client has its script and its first state.
      window.vaadin.clients[name] = { initializing: true, isActive: function () { return true; } };

      var style = document.createElement("link");
      style.rel = "stylesheet";
      style.href = config.styleSheet;
      document.head.appendChild(style);

      var script = document.createElement("script");
      script.src = config.widgetset;
      var scriptLoaded = new Promise(function (resolve) { script.onload = resolve; });
      document.head.appendChild(script);

      if (!window.name) window.name = appId + "-" + Math.random();
      apps[appId] = { getConfig: function (key) { return config[key]; } };
      config.browserDetailsUrl = config.serviceUrl + "/";
      var details = "v-browserDetails=1&v-appId=" + appId + "&" + window.vaadin.getBrowserDetailsParameters();
      var asked = fetch(config.browserDetailsUrl + "?v-" + Date.now(), {
        method: "POST",
        body: details,
        credentials: "same-origin",
        headers: { "Content-type": "application/x-www-form-urlencoded" }
      }).then(function (answer) { return answer.text(); }).then(function (text) {
        config.rootResponseText = text;
        return JSON.parse(text);
      });

      Promise.all([scriptLoaded, asked]).then(function (results) {
        window.vaadin.startClient(appId, name, config, results[1]);
      });
    }
  };
})();
