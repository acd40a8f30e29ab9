package portal;

import com.vaadin.server.DeploymentConfiguration;
import com.vaadin.server.RequestHandler;
import com.vaadin.server.ServiceException;
import com.vaadin.server.VaadinServlet;
import com.vaadin.server.VaadinServletService;
import com.vaadin.server.communication.UidlRequestHandler;
import java.util.List;

/** Vaadin's request handling with {@link InterruptibleRoundTrip}. */
final class PortalService extends VaadinServletService {
    private final transient EventLog log;

    PortalService(VaadinServlet servlet, DeploymentConfiguration configuration, EventLog log)
            throws ServiceException {
        super(servlet, configuration);
        this.log = log;
    }

    @Override
    protected List<RequestHandler> createRequestHandlers() throws ServiceException {
        List<RequestHandler> handlers = super.createRequestHandlers();
        handlers.replaceAll(
                handler ->
                        handler.getClass() == UidlRequestHandler.class
                                ? new InterruptibleRoundTrip(log)
                                : handler);
        return handlers;
    }
}
