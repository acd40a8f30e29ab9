package portal;

import java.util.Set;

/**
 * A lesson that takes marks from its opening until its minutes are over.
 *
 * @param time the portal's own words, such as "Л27 (15:00 - 16:00)"
 * @param closesAt on {@link EventLog#monotonicTime()}
 * @param students the {@link Student#key} of each who may mark it, null for everybody
 * @param live whether open pages learn of it without a reload
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
