/**
 * A stand-in for the university's registration portal, on the Vaadin version that the real one runs, so that tests
 * meet the real toolkit's pages, round trips and troubles. {@link portal.PortalServer} starts it; a request comes
 * through {@link portal.RouteFilter} and {@link portal.TroubleFilter} to {@link portal.PortalServlet}, whose pages
 * are {@link portal.PortalUI}s; tests speak to {@link portal.ControlServlet}; what both know is the
 * {@link portal.World}.
 */
package portal;
