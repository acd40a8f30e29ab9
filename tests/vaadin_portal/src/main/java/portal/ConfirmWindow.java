package portal;

import com.vaadin.ui.Button;
import com.vaadin.ui.HorizontalLayout;
import com.vaadin.ui.Label;
import com.vaadin.ui.VerticalLayout;
import com.vaadin.ui.Window;

/** The confirmation dialog before a mark. */
final class ConfirmWindow extends Window {
    ConfirmWindow(Texts texts, Runnable onYes) {
        super(texts.attendance());
        Button yes =
                new Button(
                        texts.yes(),
                        click -> {
                            close();
                            onYes.run();
                        });
        Button no = new Button(texts.no(), click -> close());
        VerticalLayout content = new VerticalLayout(new Label(texts.confirm()), new HorizontalLayout(yes, no));
        content.setMargin(true);
        content.setSpacing(true);
        setContent(content);
        setModal(true);
        setResizable(false);
        center();
    }
}
