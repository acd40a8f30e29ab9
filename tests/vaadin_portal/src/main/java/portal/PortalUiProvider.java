package portal;

import com.vaadin.server.UIClassSelectionEvent;
import com.vaadin.server.UICreateEvent;
import com.vaadin.server.UIProvider;
import com.vaadin.shared.communication.PushMode;
import com.vaadin.shared.ui.ui.Transport;
import com.vaadin.ui.UI;

/** Creates the UI of a page, with or without push. */
final class PortalUiProvider extends UIProvider {
    private final transient Portal portal;

    PortalUiProvider(Portal portal) {
        this.portal = portal;
    }

    @Override
    public Class<? extends UI> getUIClass(UIClassSelectionEvent event) {
        return PortalUI.class;
    }

    @Override
    public UI createInstance(UICreateEvent event) {
        return new PortalUI(portal);
    }

    @Override
    public PushMode getPushMode(UICreateEvent event) {
        return portal.troubles().has(now -> now.push) ? PushMode.AUTOMATIC : PushMode.DISABLED;
    }

    @Override
    public Transport getPushTransport(UICreateEvent event) {
        return Transport.LONG_POLLING;
    }
}
