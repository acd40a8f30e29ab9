package portal;

import com.vaadin.ui.Label;
import com.vaadin.ui.themes.ValoTheme;

/** The title above a view. */
final class Heading extends Label {
    Heading(String text) {
        super(text);
        addStyleName(ValoTheme.LABEL_H2);
    }
}
