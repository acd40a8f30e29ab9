package portal;

import javax.servlet.http.HttpServletRequest;

/** What a browser wants from the portal. */
enum RequestKind {
    /** The nearly empty first page. */
    PAGE,
    /** The page's script tells about its browser and gets the application's first state. */
    FIRST_STATE,
    /** A round trip: what the student did, answered with what changes on the page. */
    ROUND_TRIP,
    /** The page says that it is still open. */
    HEARTBEAT,
    /** The line on which the server can speak first. */
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
