package mongo;

import de.bwaldvogel.mongo.MongoBackend;
import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.backend.memory.MemoryBackend;
import java.io.IOException;
import java.io.OutputStream;
import java.util.List;

/** Serves MongoDB's wire protocol for tests, in memory or in a file. */
public final class Server {
    /** The reported version: current drivers refuse servers older than 4.4, and use nothing that this one lacks. */
    private static final MongoVersion VERSION = new MongoVersion() {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0, 0);
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    };

    private Server() {
    }

    /** Prints its address in one line and serves until it is terminated or its standard input ends. */
    public static void main(String[] arguments) throws IOException {
        int port = 0;
        String file = null;
        boolean exitWithStdin = false;
        for (int i = 0; i < arguments.length; i++) {
            switch (arguments[i]) {
                case "--port" -> port = Integer.parseInt(arguments[++i]);
                case "--file" -> file = arguments[++i];
                case "--exit-with-stdin" -> exitWithStdin = true;
                default -> throw new IllegalArgumentException("unknown option: " + arguments[i]);
            }
        }
        MongoBackend backend = file == null ? new MemoryBackend() : new H2Backend(file);
        MongoServer server = new MongoServer(backend.version(VERSION));
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        server.bind("127.0.0.1", port);
        System.out.println("mongodb://127.0.0.1:" + server.getLocalAddress().getPort());
        if (exitWithStdin) {
            System.in.transferTo(OutputStream.nullOutputStream());
            System.exit(0);
        }
    }
}
