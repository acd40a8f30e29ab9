package portal;

import com.vaadin.server.BootstrapFragmentResponse;
import com.vaadin.server.BootstrapListener;
import com.vaadin.server.BootstrapPageResponse;

/**
 * Lets a page ask for a bootstrap script that isn't there. Refusing the real address would not do: browsers keep
 * the script for an hour.
 */
final class BootstrapFailure implements BootstrapListener {
    private final transient Troubles troubles;

    BootstrapFailure(Troubles troubles) {
        this.troubles = troubles;
    }

    @Override
    public void modifyBootstrapFragment(BootstrapFragmentResponse response) {
        // The scripts are known only when the whole page is.
    }

    @Override
    public void modifyBootstrapPage(BootstrapPageResponse response) {
        if (troubles.has(now -> now.bootstrapFailure)) {
            response.getDocument().select("script[src*=vaadinBootstrap.js]").attr("src", "./VAADIN/missing.js");
        }
    }
}
