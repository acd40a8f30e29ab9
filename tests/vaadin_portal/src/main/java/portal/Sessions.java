package portal;

import com.vaadin.server.VaadinSession;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Predicate;
import javax.servlet.http.HttpSession;
import javax.servlet.http.HttpSessionEvent;
import javax.servlet.http.HttpSessionListener;

/** All sessions of the portal with their usernames. */
final class Sessions implements HttpSessionListener {
    private static final String USERNAME = "portal.username";
    private static final String ENDED = "portal.ended";

    private final EventLog log;
    private final Set<HttpSession> all = Collections.newSetFromMap(new ConcurrentHashMap<>());

    Sessions(EventLog log) {
        this.log = log;
    }

    @Override
    public void sessionCreated(HttpSessionEvent event) {
        all.add(event.getSession());
    }

    @Override
    public void sessionDestroyed(HttpSessionEvent event) {
        HttpSession session = event.getSession();
        all.remove(session);
        if (session.getAttribute(ENDED) == null) {
            log.add("expired", usernameOf(session), null, "idle");
        }
    }

    static void signIn(VaadinSession session, String username) {
        session.getSession().setAttribute(USERNAME, username);
    }

    /** Null if nobody has signed in. */
    static String usernameOf(VaadinSession session) {
        return (String) session.getSession().getAttribute(USERNAME);
    }

    /** Null if there is no session, it has ended, or nobody has signed in. */
    static String usernameOf(HttpSession session) {
        try {
            return session == null ? null : (String) session.getAttribute(USERNAME);
        } catch (IllegalStateException over) {
            return null;
        }
    }

    /** Ends all sessions; returns their usernames, "" if nobody had signed in. */
    List<String> endAll() {
        return end(session -> true);
    }

    /** Ends one student's sessions. */
    List<String> endAllOf(String username) {
        return end(session -> username.equals(usernameOf(session)));
    }

    private List<String> end(Predicate<HttpSession> which) {
        List<HttpSession> chosen = all.stream().filter(which).toList();
        List<String> usernames =
                chosen.stream().map(Sessions::usernameOf).map(name -> Objects.requireNonNullElse(name, "")).toList();
        chosen.forEach(Sessions::invalidate);
        return usernames;
    }

    /** Ends a session as the container does at a time-out. */
    static void invalidate(HttpSession session) {
        try {
            session.setAttribute(ENDED, true);
            session.invalidate();
        } catch (IllegalStateException alreadyOver) {
            // It has ended meanwhile.
        }
    }

    int count() {
        return all.size();
    }

    /** The number of UIs on the server, including those of closed pages. */
    int countUis() {
        return all.stream().mapToInt(Sessions::uisOf).sum();
    }

    private static int uisOf(HttpSession session) {
        int count = 0;
        try {
            for (String name : Collections.list(session.getAttributeNames())) {
                if (session.getAttribute(name) instanceof VaadinSession vaadin) {
                    vaadin.lock();
                    try {
                        count += vaadin.getUIs().size();
                    } finally {
                        vaadin.unlock();
                    }
                }
            }
        } catch (IllegalStateException over) {
            return 0;
        }
        return count;
    }
}
