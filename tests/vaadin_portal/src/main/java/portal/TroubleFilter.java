package portal;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.util.Objects;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import org.eclipse.jetty.server.Request;

/** Logs requests and injects faults before the application handles them. */
final class TroubleFilter extends HttpFilter {
    private final EventLog log;
    private final Troubles troubles;

    TroubleFilter(EventLog log, Troubles troubles) {
        this.log = log;
        this.troubles = troubles;
    }

    @Override
    void filter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        RequestKind kind = RequestKind.of(request);
        String username = Sessions.usernameOf(request.getSession(false));
        if (kind == RequestKind.PAGE) {
            log.add("page_load", username, null, Objects.toString(troubles.status(), null));
        }
        holdBack(kind);
        if (!refuse(kind, request, response)) {
            chain.doFilter(request, response);
            if (kind == RequestKind.HEARTBEAT) {
                writeHeartbeat(username, response.getStatus() == HttpServletResponse.SC_OK);
            }
        }
    }

    private void writeHeartbeat(String username, boolean pageIsKnown) {
        if (pageIsKnown) {
            log.add("heartbeat", username);
        } else {
            log.add("session_not_found", null, null, "heartbeat");
        }
    }

    private boolean refuse(RequestKind kind, HttpServletRequest request, HttpServletResponse response)
            throws IOException {
        Integer status = troubles.status();
        if (kind == RequestKind.PAGE && status != null) {
            response.sendError(status);
            return true;
        }
        if (kind != RequestKind.ROUND_TRIP && kind != RequestKind.HEARTBEAT) {
            return false;
        }
        if (troubles.has(now -> now.connectionLost)) {
            Request.getBaseRequest(request).getHttpChannel().getEndPoint().close();
            return true;
        }
        if (troubles.has(now -> now.authenticationProblem)) {
            response.sendError(HttpServletResponse.SC_UNAUTHORIZED);
            return true;
        }
        if (troubles.has(now -> now.communicationProblem)) {
            // An error status would make the client retry; an invalid answer makes it give up.
            response.setContentType("text/html");
            response.getWriter().println("<html><body>Bad Gateway</body></html>");
            return true;
        }
        return false;
    }

    private void holdBack(RequestKind kind) throws InterruptedIOException {
        try {
            switch (kind) {
                case PAGE, ROUND_TRIP, HEARTBEAT -> troubles.holdWhileSlow();
                case FIRST_STATE -> {
                    troubles.holdWhileSlow();
                    troubles.holdWhileStuck();
                }
                default -> { }
            }
        } catch (InterruptedException stopping) {
            Thread.currentThread().interrupt();
            throw new InterruptedIOException("the server is stopping");
        }
    }
}
