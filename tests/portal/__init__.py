"""portal: page objects and Chrome, on the simulator and on the real Vaadin."""
