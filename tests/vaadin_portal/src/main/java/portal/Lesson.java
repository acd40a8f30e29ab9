package portal;

import java.util.Set;

/**
 * A lesson that can be marked from its opening until its minutes are over.
 *
 * @param time the portal's text, such as "Л27 (15:00 - 16:00)"
 * @param closesAt in seconds of {@link EventLog#monotonicTime()}
 * @param students the {@link Student#key} of each of its students, null for all
 * @param live whether open pages with push show it without a reload
 */
record Lesson(
        int id, String subject, String teacher, String time, double closesAt, Set<String> students, boolean live) {

    boolean isFor(String username) {
        return students == null || students.contains(Student.key(username));
    }

    int minutesLeft() {
        return (int) Math.max(0, Math.ceil((closesAt - EventLog.monotonicTime()) / 60));
    }
}
