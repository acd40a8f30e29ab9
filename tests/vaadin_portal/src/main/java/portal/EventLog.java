package portal;

import com.fasterxml.jackson.annotation.JsonInclude;
import java.time.OffsetDateTime;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;

/** The server's event log, read by tests. It never contains passwords. */
final class EventLog {

    /**
     * One event.
     *
     * @param n counts from 1
     * @param at wall clock, ISO 8601 with offset
     * @param monotonic seconds of a monotonic clock
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    record Entry(
            int n, String at, double monotonic, String event, String username, Integer lesson, String detail) {}

    private final List<Entry> entries = new ArrayList<>();

    synchronized Entry add(String event, String username, Integer lesson, String detail) {
        Entry entry =
                new Entry(entries.size() + 1, wallTime(), monotonicTime(), event, username, lesson, detail);
        entries.add(entry);
        return entry;
    }

    void add(String event, String username) {
        add(event, username, null, null);
    }

    /** The entries whose number is above {@code n}. */
    synchronized List<Entry> since(int n) {
        int from = Math.min(Math.max(n, 0), entries.size());
        return List.copyOf(entries.subList(from, entries.size()));
    }

    synchronized void clear() {
        entries.clear();
    }

    static String wallTime() {
        return OffsetDateTime.now().truncatedTo(ChronoUnit.MILLIS).toString();
    }

    static double monotonicTime() {
        return System.nanoTime() / 1e9;
    }
}
