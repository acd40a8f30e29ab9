package portal;

import com.vaadin.annotations.Theme;
import com.vaadin.annotations.Title;
import com.vaadin.server.VaadinRequest;
import com.vaadin.ui.Component;
import com.vaadin.ui.JavaScript;
import com.vaadin.ui.Label;
import com.vaadin.ui.UI;
import com.vaadin.ui.VerticalLayout;

/** One open page: the header, and below it the view for its student. */
@Theme("r5")
@Title("Registration Online")
final class PortalUI extends UI {
    private static final String DEVICE = "portal.device";

    private final transient Portal portal;
    private final VerticalLayout root = new VerticalLayout();

    PortalUI(Portal portal) {
        this.portal = portal;
    }

    @Override
    protected void init(VaadinRequest request) {
        Texts texts = Texts.in(Language.of(request.getCookies()));
        root.addStyleName("card");
        root.setMargin(true);
        root.setSpacing(true);
        setContent(root);
        String username = Sessions.usernameOf(getSession());
        if (username == null) {
            onceDeviceIsKnown(() -> show(texts, new LoginView(portal, texts)));
        } else {
            show(texts, viewFor(username, texts));
        }
    }

    private void show(Texts texts, Component view) {
        root.removeAllComponents();
        root.addComponents(new Header(texts), view);
    }

    private Component viewFor(String username, Texts texts) {
        String blocked = portal.world().blockedBecause(username);
        if (blocked != null) {
            portal.log().add("blocked", username);
            return new InformationComponent(texts.blocked().formatted(blocked));
        }
        if (portal.troubles().has(now -> now.unknownView)) {
            return new Label(texts.unknown());
        }
        return new AttendanceView(
                portal, username, texts, () -> show(texts, viewFor(username, texts)));
    }

    private void remember(String device) {
        if (!device.equals(getSession().getAttribute(DEVICE))) {
            getSession().setAttribute(DEVICE, device);
            portal.log().add("device", null, null, device);
        }
    }

    /** Like the real portal, gets the browser's stored device id by a round trip before the form is drawn. */
    private void onceDeviceIsKnown(Runnable next) {
        JavaScript.getCurrent().addFunction("portalDevice", arguments -> {
                            remember(arguments.getString(0));
                            next.run();
                        });
        JavaScript.getCurrent()
                .execute(
                        "if (!localStorage.deviceId) {"
                                + " localStorage.deviceId = Math.random().toString(36).slice(2); }"
                                + " portalDevice(localStorage.deviceId);");
    }
}
