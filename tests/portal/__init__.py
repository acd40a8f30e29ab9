"""portal/: page objects and Chrome, against the simulator and the real Vaadin."""
