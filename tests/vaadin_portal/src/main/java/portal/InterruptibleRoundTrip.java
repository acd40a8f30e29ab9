package portal;

import com.vaadin.server.LegacyCommunicationManager.InvalidUIDLSecurityKeyException;
import com.vaadin.server.VaadinRequest;
import com.vaadin.server.VaadinResponse;
import com.vaadin.server.VaadinService;
import com.vaadin.server.VaadinSession;
import com.vaadin.server.WrappedHttpSession;
import com.vaadin.server.communication.ServerRpcHandler;
import com.vaadin.server.communication.UidlRequestHandler;
import com.vaadin.ui.UI;
import java.io.IOException;
import java.io.Reader;

/** A round trip whose listeners can end the session before the answer is sent. */
final class InterruptibleRoundTrip extends UidlRequestHandler {
    private static final String GONE = InterruptibleRoundTrip.class.getName() + ".gone";

    private static final class SessionGone extends RuntimeException {}

    private final transient EventLog log;

    InterruptibleRoundTrip(EventLog log) {
        this.log = log;
    }

    /** Called by a listener: ends the session when the listener has returned. */
    static void endSession() {
        VaadinService.getCurrentRequest().setAttribute(GONE, true);
    }

    @Override
    protected ServerRpcHandler createRpcHandler() {
        return new ServerRpcHandler() {
            @Override
            public void handleRpc(UI ui, Reader reader, VaadinRequest request)
                    throws IOException, InvalidUIDLSecurityKeyException {
                super.handleRpc(ui, reader, request);
                if (request.getAttribute(GONE) != null) {
                    throw new SessionGone();
                }
            }
        };
    }

    @Override
    public boolean handleRequest(VaadinSession session, VaadinRequest request, VaadinResponse response)
            throws IOException {
        try {
            return super.handleRequest(session, request, response);
        } catch (SessionGone gone) {
            Sessions.invalidate(((WrappedHttpSession) session.getSession()).getHttpSession());
            return handleSessionExpired(request, response);
        }
    }

    @Override
    public boolean handleSessionExpired(VaadinRequest request, VaadinResponse response) throws IOException {
        boolean isRoundTrip = super.handleSessionExpired(request, response);
        if (isRoundTrip) {
            log.add("session_not_found", null, null, "round trip");
        }
        return isRoundTrip;
    }
}
