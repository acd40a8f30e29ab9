package portal;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** The state of the portal: students, lessons and marks. Marks are made only here. */
final class World {

    /** One student's mark for one lesson. */
    record Mark(int lesson, String username, String at, double monotonic) {}

    final EventLog log = new EventLog();

    private final Map<String, Student> students = new LinkedHashMap<>();
    private final Map<Integer, Lesson> lessons = new LinkedHashMap<>();
    private final Set<Lesson> open = new HashSet<>();
    private final List<Mark> marks = new ArrayList<>();
    private final List<Consumer<Lesson>> liveListeners = new CopyOnWriteArrayList<>();
    private final ScheduledExecutorService timer =
            Executors.newSingleThreadScheduledExecutor(
                    work -> {
                        Thread thread = new Thread(work, "lessons");
                        thread.setDaemon(true);
                        return thread;
                    });
    private int lastLesson;

    synchronized void reset() {
        students.clear();
        lessons.clear();
        open.clear();
        marks.clear();
        log.clear();
        lastLesson = 0;
    }

    synchronized void put(Student student) {
        students.put(Student.key(student.username()), student);
    }

    synchronized List<Student> students() {
        return List.copyOf(students.values());
    }

    /** Null if it does not exist. */
    synchronized Student student(String username) {
        return students.get(Student.key(username));
    }

    /** The reason of a block, null if not blocked. */
    synchronized String blockedBecause(String username) {
        Student student = student(username);
        return student == null ? null : student.blocked();
    }

    /** Returns the registered name, null if name and password do not match. */
    synchronized String signIn(String username, String password) {
        Student student = student(username);
        if (student == null || !student.password().equals(password)) {
            log.add("refused", username.isEmpty() ? null : username);
            return null;
        }
        if (student.blocked() == null) {
            log.add("signed_in", student.username());
        }
        return student.username();
    }

    Lesson open(String subject, String teacher, String time, int minutes, Set<String> only, boolean live) {
        Lesson lesson;
        synchronized (this) {
            double closesAt = EventLog.monotonicTime() + minutes * 60.0;
            lesson = new Lesson(++lastLesson, subject, teacher, time, closesAt, only, live);
            lessons.put(lesson.id(), lesson);
            open.add(lesson);
            log.add("opened", null, lesson.id(), subject);
        }
        timer.schedule(() -> close(lesson, "time is over"), minutes, TimeUnit.MINUTES);
        notifyOpenPages(lesson);
        return lesson;
    }

    /** Closes a lesson; no effect if it is closed or was removed by a reset. */
    void close(Lesson lesson, String why) {
        synchronized (this) {
            if (!open.remove(lesson)) {
                return;
            }
            log.add("closed", null, lesson.id(), why);
        }
        notifyOpenPages(lesson);
    }

    /** Null if there is no such lesson. */
    synchronized Lesson lesson(int id) {
        return lessons.get(id);
    }

    synchronized List<Lesson> lessons() {
        return List.copyOf(lessons.values());
    }

    synchronized boolean isOpen(Lesson lesson) {
        return open.contains(lesson);
    }

    /** The open lessons of a student. */
    synchronized List<Lesson> openFor(String username) {
        return lessons.values().stream().filter(this::isOpen).filter(lesson -> lesson.isFor(username)).toList();
    }

    synchronized List<Mark> marks() {
        return List.copyOf(marks);
    }

    synchronized List<String> markedBy(Lesson lesson) {
        return marks.stream().filter(mark -> mark.lesson() == lesson.id()).map(Mark::username).toList();
    }

    synchronized boolean isMarked(Lesson lesson, String username) {
        return markedBy(lesson).contains(username);
    }

    /**
     * Marks a lesson once.
     *
     * @return false if the lesson was marked already or is closed; the log says which
     */
    synchronized boolean mark(Lesson lesson, String username) {
        if (isMarked(lesson, username)) {
            log.add("already_marked", username, lesson.id(), null);
        } else if (!isOpen(lesson)) {
            log.add("too_late", username, lesson.id(), null);
        } else {
            EventLog.Entry entry = log.add("marked", username, lesson.id(), null);
            marks.add(new Mark(lesson.id(), username, entry.at(), entry.monotonic()));
            return true;
        }
        return false;
    }

    /** Calls {@code listener} for every live lesson that opens or closes; the result removes the listener. */
    Runnable onLiveChange(Consumer<Lesson> listener) {
        liveListeners.add(listener);
        return () -> liveListeners.remove(listener);
    }

    /** Must not be called under this object's lock: a page's redraw calls this object under the page's lock. */
    private void notifyOpenPages(Lesson lesson) {
        if (lesson.live()) {
            liveListeners.forEach(listener -> listener.accept(lesson));
        }
    }
}
