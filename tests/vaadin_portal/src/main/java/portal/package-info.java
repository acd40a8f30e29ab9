/**
 * A test portal on the Vaadin version of the real registration portal, for tests with the real toolkit's pages, round
 * trips and errors. {@link portal.PortalServer} starts it. Requests pass {@link portal.RouteFilter} and {@link
 * portal.TroubleFilter} to {@link portal.PortalServlet}, whose pages are {@link portal.PortalUI}s. Tests call {@link
 * portal.ControlServlet}. Both use the {@link portal.World}.
 */
package portal;
