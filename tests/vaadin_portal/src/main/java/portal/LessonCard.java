package portal;

import com.vaadin.server.JsonPaintTarget;
import com.vaadin.shared.ui.label.ContentMode;
import com.vaadin.ui.Button;
import com.vaadin.ui.Label;
import com.vaadin.ui.VerticalLayout;
import com.vaadin.ui.themes.ValoTheme;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** One open lesson and the button that marks it. */
final class LessonCard extends VerticalLayout {
    LessonCard(Lesson lesson, boolean marked, Texts texts, Runnable onClick) {
        addStyleName("card");
        setMargin(true);
        setSpacing(true);
        Label label = new Label(html(lesson, texts), ContentMode.HTML);
        label.addStyleName("bold");
        Button button = new Button(marked ? texts.marked() : texts.mark(), click -> onClick.run());
        button.addStyleName(ValoTheme.BUTTON_PRIMARY);
        button.setEnabled(!marked);
        addComponents(label, button);
    }

    private static String html(Lesson lesson, Texts texts) {
        String minutesLeft = texts.minutesLeft().formatted(lesson.minutesLeft());
        return Stream.of(lesson.subject(), lesson.teacher(), lesson.time(), minutesLeft)
                .map(JsonPaintTarget::escapeXML)
                .collect(Collectors.joining("<br>"));
    }
}
