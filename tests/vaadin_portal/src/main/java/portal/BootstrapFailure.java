package portal;

import com.vaadin.server.BootstrapFragmentResponse;
import com.vaadin.server.BootstrapListener;
import com.vaadin.server.BootstrapPageResponse;

/**
 * Makes pages request a missing bootstrap script. Refusing the real address does not work, since browsers cache the
 * script for an hour.
 */
final class BootstrapFailure implements BootstrapListener {
    private final transient Troubles troubles;

    BootstrapFailure(Troubles troubles) {
        this.troubles = troubles;
    }

    @Override
    public void modifyBootstrapFragment(BootstrapFragmentResponse response) {
        // The scripts are only in the whole page.
    }

    @Override
    public void modifyBootstrapPage(BootstrapPageResponse response) {
        if (troubles.has(now -> now.bootstrapFailure)) {
            response.getDocument().select("script[src*=vaadinBootstrap.js]").attr("src", "./VAADIN/missing.js");
        }
    }
}
