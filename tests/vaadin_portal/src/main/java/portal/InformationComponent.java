package portal;

import com.vaadin.ui.CssLayout;
import com.vaadin.ui.Label;

/** The message shown instead of the lessons, such as the reason of a block. */
final class InformationComponent extends CssLayout {
    InformationComponent(String text) {
        setPrimaryStyleName("v-information-component");
        addStyleName("error");
        addComponent(new Label(text));
    }
}
