package portal;

import javax.servlet.http.HttpServletRequest;

/** The kinds of requests from a browser. */
enum RequestKind {
    /** The initial HTML. */
    PAGE,
    /** The page's script sends the browser details and gets the first state. */
    FIRST_STATE,
    /** A round trip: the student's events, answered with the changes of the page. */
    ROUND_TRIP,
    /** A heartbeat of an open page. */
    HEARTBEAT,
    /** A push request. */
    PUSH,
    /** Scripts, styles, images. */
    OTHER;

    static RequestKind of(HttpServletRequest request) {
        String path = request.getPathInfo() == null ? "/" : request.getPathInfo();
        if (path.equals("/")) {
            return request.getMethod().equals("POST") ? FIRST_STATE : PAGE;
        }
        if (path.startsWith("/UIDL")) {
            return ROUND_TRIP;
        }
        if (path.startsWith("/HEARTBEAT")) {
            return HEARTBEAT;
        }
        return path.startsWith("/PUSH") ? PUSH : OTHER;
    }
}
