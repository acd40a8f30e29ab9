package portal;

import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import javax.servlet.http.HttpServlet;
import javax.servlet.http.HttpServletRequest;
import javax.servlet.http.HttpServletResponse;

/** The control API, with which tests set up the portal and read its state. */
final class ControlServlet extends HttpServlet {
    private static final int DEFAULT_MINUTES = 10;

    /** A student as JSON, without the password. */
    record StudentSeen(String username, String blocked) {
        StudentSeen(Student student) {
            this(student.username(), student.blocked());
        }
    }

    record LessonSeen(
            int id,
            String subject,
            String teacher,
            String time,
            int minutesLeft,
            boolean open,
            boolean live,
            List<String> marked) {}

    private final transient Portal portal;
    private final transient World world;

    ControlServlet(Portal portal) {
        this.portal = portal;
        this.world = portal.world();
    }

    @Override
    protected void service(HttpServletRequest request, HttpServletResponse response) throws IOException {
        try {
            answer(response, HttpServletResponse.SC_OK, handle(request));
        } catch (Refusal refusal) {
            answer(response, refusal.status, Map.of("error", refusal.getMessage()));
        }
    }

    private static void answer(HttpServletResponse response, int status, Object body) throws IOException {
        response.setStatus(status);
        response.setContentType("application/json");
        Json.MAPPER.writeValue(response.getOutputStream(), body);
    }

    private Object handle(HttpServletRequest request) throws IOException {
        String path = String.valueOf(request.getPathInfo());
        if (path.startsWith("/lessons/") && request.getMethod().equals("DELETE")) {
            return closeLesson(path.substring("/lessons/".length()));
        }
        return switch (request.getMethod() + " " + path) {
            case "POST /reset" -> reset();
            case "POST /students" -> putStudent(Fields.of(request, Set.of("username", "password", "blocked")));
            case "GET /students" -> world.students().stream().map(StudentSeen::new).toList();
            case "POST /lessons" ->
                    openLesson(
                            Fields.of(
                                    request,
                                    Set.of("subject", "teacher", "time", "minutes", "students", "live")));
            case "GET /lessons" -> world.lessons().stream().map(this::seen).toList();
            case "POST /expire" -> expire(Fields.of(request, Set.of("username")));
            case "POST /behaviour" -> portal.troubles().change(Fields.body(request));
            case "GET /behaviour" -> portal.troubles().now();
            case "GET /log" -> portal.log().since(number(request.getParameter("since"), "since"));
            case "GET /marks" -> world.marks();
            case "GET /sessions" ->
                    Map.of("sessions", portal.sessions().count(), "uis", portal.sessions().countUis());
            default -> throw Refusal.notFound("no such route: " + request.getMethod() + " /control" + path);
        };
    }

    private Object reset() {
        portal.troubles().reset();
        portal.sessions().endAll();
        world.reset();
        return Map.of();
    }

    private StudentSeen putStudent(Fields wanted) {
        String username = wanted.text("username").strip();
        if (Student.key(username).isEmpty()) {
            throw Refusal.badRequest("username must not be empty");
        }
        Student before = world.student(username);
        Student after;
        if (before == null) {
            after = new Student(username, wanted.text("password"), wanted.text("blocked", null));
        } else {
            after =
                    new Student(
                            before.username(),
                            wanted.text("password", before.password()),
                            wanted.has("blocked") ? wanted.text("blocked", null) : before.blocked());
        }
        world.put(after);
        return new StudentSeen(after);
    }

    private LessonSeen openLesson(Fields wanted) {
        int minutes = wanted.number("minutes", DEFAULT_MINUTES);
        if (minutes < 1) {
            throw Refusal.badRequest("minutes must be 1 or more");
        }
        Set<String> students = wanted.texts("students");
        if (students != null) {
            students.forEach(this::mustBeKnown);
            students = students.stream().map(Student::key).collect(Collectors.toSet());
        }
        return seen(
                world.open(
                        wanted.text("subject"),
                        wanted.text("teacher"),
                        wanted.text("time"),
                        minutes,
                        students,
                        wanted.flag("live")));
    }

    private LessonSeen closeLesson(String id) {
        Lesson lesson = world.lesson(number(id, "the lesson's id"));
        if (lesson == null) {
            throw Refusal.notFound("no such lesson: " + id);
        }
        world.close(lesson, "by hand");
        return seen(lesson);
    }

    private LessonSeen seen(Lesson lesson) {
        boolean open = world.isOpen(lesson);
        return new LessonSeen(
                lesson.id(),
                lesson.subject(),
                lesson.teacher(),
                lesson.time(),
                open ? lesson.minutesLeft() : 0,
                open,
                lesson.live(),
                world.markedBy(lesson));
    }

    private Object expire(Fields wanted) {
        String username = wanted.text("username", null);
        if (username != null) {
            mustBeKnown(username);
        }
        List<String> ended =
                username == null
                        ? portal.sessions().endAll()
                        : portal.sessions().endAllOf(world.student(username).username());
        for (String name : ended) {
            portal.log().add("expired", name.isEmpty() ? null : name, null, "by the control API");
        }
        return Map.of("expired", ended.size());
    }

    private void mustBeKnown(String username) {
        if (world.student(username) == null) {
            throw Refusal.notFound("no such student: " + username);
        }
    }

    private static int number(String text, String what) {
        if (text == null) {
            return 0;
        }
        try {
            return Integer.parseInt(text);
        } catch (NumberFormatException wrong) {
            throw Refusal.badRequest(what + " must be a whole number");
        }
    }
}
