"""A strict simulator of the registration portal, a Vaadin 7 application."""
