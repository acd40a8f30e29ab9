package portal;

import java.io.IOException;
import java.util.Arrays;
import java.util.UUID;
import javax.servlet.FilterChain;
import javax.servlet.ServletException;
import javax.servlet.http.Cookie;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;
import javax.servlet.http.HttpSession;
import org.eclipse.jetty.server.Request;

/** A sticky load balancer: without its cookie a request reaches a machine that does not know the session. */
final class RouteFilter extends HttpFilter {
    private static final String ROUTE = "route";

    @Override
    void filter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        HttpSession session = request.getSession(false);
        if (session != null && !came(request, session.getAttribute(ROUTE))) {
            Request astray = Request.getBaseRequest(request);
            astray.setSession(null);
            // Not null, since the browser sent a session cookie, though one of another machine.
            astray.setRequestedSessionId("of-another-machine");
            session = null;
        }
        RequestKind kind = RequestKind.of(request);
        if (session == null && (kind == RequestKind.PAGE || kind == RequestKind.FIRST_STATE)) {
            begin(request.getSession(), response);
        }
        chain.doFilter(request, response);
    }

    private static boolean came(HttpServletRequest request, Object route) {
        Cookie[] cookies = request.getCookies();
        return cookies != null
                && Arrays.stream(cookies)
                        .anyMatch(cookie -> cookie.getName().equals(ROUTE) && cookie.getValue().equals(route));
    }

    private static void begin(HttpSession session, HttpServletResponse response) {
        String route = UUID.randomUUID().toString().replace("-", "");
        session.setAttribute(ROUTE, route);
        Cookie cookie = new Cookie(ROUTE, route);
        cookie.setPath("/");
        cookie.setHttpOnly(true);
        response.addCookie(cookie);
    }
}
