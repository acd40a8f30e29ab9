package portal;

import java.io.IOException;
import java.io.OutputStream;
import java.util.EnumSet;
import java.util.List;
import java.util.logging.Level;
import java.util.logging.LogManager;
import java.util.logging.Logger;
import javax.servlet.DispatcherType;
import javax.servlet.Filter;
import org.atmosphere.container.Servlet30CometSupport;
import org.atmosphere.cpr.ApplicationConfig;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SessionIdManager;
import org.eclipse.jetty.server.handler.ContextHandlerCollection;
import org.eclipse.jetty.server.session.DefaultSessionIdManager;
import org.eclipse.jetty.server.session.HouseKeeper;
import org.eclipse.jetty.servlet.FilterHolder;
import org.eclipse.jetty.servlet.ServletContextHandler;
import org.eclipse.jetty.servlet.ServletHolder;

/** Serves the portal and its control API on one port until it is terminated. */
public final class PortalServer {
    private static final String PATH = "/RegistrationOnline";

    /** Logs a stack trace for every page that is closed during a push request. */
    private static final Logger ATMOSPHERE_LOG = Logger.getLogger("org.atmosphere.cpr.AsynchronousProcessor");

    private PortalServer() {}

    /** Prints one line with the portal's address when it listens. */
    public static void main(String[] arguments) throws Exception {
        Options options;
        try {
            options = Options.parse(List.of(arguments));
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage() + "\n" + Options.USAGE);
            System.exit(64);
            return;
        }
        logWarningsOnly();
        // Exit at once, without waiting for requests that are delayed on purpose.
        Runtime.getRuntime().addShutdownHook(new Thread(() -> Runtime.getRuntime().halt(0)));
        Server server = server(options);
        try {
            server.start();
        } catch (IOException taken) {
            System.err.println(taken.getMessage());
            Runtime.getRuntime().halt(1);
        }
        int port = ((ServerConnector) server.getConnectors()[0]).getLocalPort();
        System.out.println("http://" + options.host() + ":" + port + PATH);
        if (options.exitWithStdin()) {
            System.in.transferTo(OutputStream.nullOutputStream());
            System.exit(0);
        }
        server.join();
    }

    /** Standard output is only for the address, standard error only for warnings. */
    private static void logWarningsOnly() {
        System.setProperty("org.eclipse.jetty.LEVEL", "WARN");
        System.setProperty("org.eclipse.jetty.util.log.announce", "false");
        LogManager.getLogManager().getLogger("").setLevel(Level.WARNING);
        ATMOSPHERE_LOG.setLevel(Level.OFF);
    }

    private static Server server(Options options) throws Exception {
        World world = new World();
        Portal portal = new Portal(world, new Troubles(), new Sessions(world.log));
        Server server = new Server();
        server.setSessionIdManager(lookingForIdleSessionsOften(server));
        ServerConnector connector = new ServerConnector(server);
        connector.setHost(options.host());
        connector.setPort(options.port());
        server.addConnector(connector);
        server.setHandler(
                new ContextHandlerCollection(application(portal, options), control(portal)));
        return server;
    }

    private static SessionIdManager lookingForIdleSessionsOften(Server server) throws Exception {
        DefaultSessionIdManager manager = new DefaultSessionIdManager(server);
        HouseKeeper keeper = new HouseKeeper();
        keeper.setSessionIdManager(manager);
        keeper.setIntervalSec(10);
        manager.setSessionHouseKeeper(keeper);
        return manager;
    }

    private static ServletContextHandler application(Portal portal, Options options) {
        // The path is set on the context, not the servlet, since Vaadin derives the page's ids from both.
        ServletContextHandler context = new ServletContextHandler(ServletContextHandler.SESSIONS);
        context.setContextPath(PATH);
        context.getSessionHandler().setMaxInactiveInterval(options.sessionTimeoutSeconds());
        context.getSessionHandler().setHttpOnly(true);
        context.getSessionHandler().addEventListener(portal.sessions());
        add(context, new RouteFilter());
        add(context, new TroubleFilter(portal.log(), portal.troubles()));
        context.addServlet(new ServletHolder(new ThemeServlet()), "/VAADIN/themes/r5/*");
        ServletHolder servlet = new ServletHolder(new PortalServlet(portal));
        servlet.setInitParameter("productionMode", "true");
        servlet.setInitParameter("heartbeatInterval", String.valueOf(options.heartbeatSeconds()));
        // Without this Atmosphere looks for classes of an old Jetty.
        servlet.setInitParameter(ApplicationConfig.PROPERTY_COMET_SUPPORT, Servlet30CometSupport.class.getName());
        servlet.setAsyncSupported(true);
        servlet.setInitOrder(1);
        context.addServlet(servlet, "/*");
        return context;
    }

    private static void add(ServletContextHandler context, Filter filter) {
        FilterHolder holder = new FilterHolder(filter);
        holder.setAsyncSupported(true);
        context.addFilter(holder, "/*", EnumSet.of(DispatcherType.REQUEST));
    }

    private static ServletContextHandler control(Portal portal) {
        ServletContextHandler context = new ServletContextHandler(ServletContextHandler.NO_SESSIONS);
        context.setContextPath("/control");
        context.addServlet(new ServletHolder(new ControlServlet(portal)), "/*");
        return context;
    }
}
