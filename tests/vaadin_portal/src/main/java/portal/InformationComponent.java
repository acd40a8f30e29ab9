package portal;

import com.vaadin.ui.CssLayout;
import com.vaadin.ui.Label;

/** Tells in place of everything else why there is nothing to do here. */
final class InformationComponent extends CssLayout {
    InformationComponent(String text) {
        setPrimaryStyleName("v-information-component");
        addStyleName("error");
        addComponent(new Label(text));
    }
}
