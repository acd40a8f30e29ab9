package portal;

import com.vaadin.server.DeploymentConfiguration;
import com.vaadin.server.ServiceException;
import com.vaadin.server.VaadinServlet;
import com.vaadin.server.VaadinServletService;

/** The Vaadin application. */
final class PortalServlet extends VaadinServlet {
    private final transient Portal portal;

    PortalServlet(Portal portal) {
        this.portal = portal;
    }

    @Override
    protected VaadinServletService createServletService(DeploymentConfiguration configuration)
            throws ServiceException {
        VaadinServletService service = new PortalService(this, configuration, portal.log());
        service.init();
        service.setSystemMessagesProvider(info -> SystemTexts.russian());
        service.addSessionInitListener(
                event -> {
                    event.getSession().addUIProvider(new PortalUiProvider(portal));
                    event.getSession().addBootstrapListener(new BootstrapFailure(portal.troubles()));
                });
        return service;
    }
}
