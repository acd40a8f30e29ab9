package portal;

import java.util.Iterator;
import java.util.List;

/**
 * The command line options.
 *
 * @param host the address to listen on
 * @param port the port to listen on, 0 for any free one
 * @param heartbeatSeconds the interval between an open page's heartbeats
 * @param sessionTimeoutSeconds the lifetime of a session without requests
 * @param exitWithStdin whether the process exits at the end of its standard input
 */
record Options(String host, int port, int heartbeatSeconds, int sessionTimeoutSeconds, boolean exitWithStdin) {

    static final String USAGE =
            "usage: run [--host ADDRESS] [--port N] [--heartbeat SECONDS] [--session-timeout SECONDS]"
                    + " [--exit-with-stdin] | --build-only";

    static Options parse(List<String> arguments) {
        String host = "127.0.0.1";
        int port = 8092;
        int heartbeat = 120;
        int sessionTimeout = 1800;
        boolean exitWithStdin = false;
        Iterator<String> rest = arguments.iterator();
        while (rest.hasNext()) {
            String name = rest.next();
            switch (name) {
                case "--host" -> host = valueOf(name, rest);
                case "--port" -> port = numberOf(name, rest, 0);
                case "--heartbeat" -> heartbeat = numberOf(name, rest, 1);
                case "--session-timeout" -> sessionTimeout = numberOf(name, rest, 1);
                case "--exit-with-stdin" -> exitWithStdin = true;
                default -> throw new IllegalArgumentException("unknown argument " + name);
            }
        }
        return new Options(host, port, heartbeat, sessionTimeout, exitWithStdin);
    }

    private static String valueOf(String name, Iterator<String> rest) {
        if (!rest.hasNext()) {
            throw new IllegalArgumentException(name + " wants a value");
        }
        return rest.next();
    }

    private static int numberOf(String name, Iterator<String> rest, int atLeast) {
        String value = valueOf(name, rest);
        try {
            int number = Integer.parseInt(value);
            if (number >= atLeast) {
                return number;
            }
        } catch (NumberFormatException notANumber) {
            // Reported below, like a number out of range.
        }
        throw new IllegalArgumentException(name + ": got " + value + ", wants a whole number from " + atLeast);
    }
}
