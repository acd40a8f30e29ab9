package portal;

import com.vaadin.ui.Label;
import com.vaadin.ui.UI;
import com.vaadin.ui.UIDetachedException;
import com.vaadin.ui.VerticalLayout;
import java.util.LinkedHashMap;
import java.util.Map;

/** Shows the lessons open at the page load and, with push, live lessons opened since. */
final class AttendanceView extends VerticalLayout {
    private final transient Portal portal;
    private final String username;
    private final transient Texts texts;
    private final transient Runnable onBlocked;
    private final VerticalLayout lessons = new VerticalLayout();
    private final transient Map<Integer, Lesson> shown = new LinkedHashMap<>();
    private transient Runnable stopListening = () -> { };

    /**
     * @param onBlocked called when the student has been blocked meanwhile
     */
    AttendanceView(Portal portal, String username, Texts texts, Runnable onBlocked) {
        this.portal = portal;
        this.username = username;
        this.texts = texts;
        this.onBlocked = onBlocked;
        setSpacing(true);
        addComponent(new Heading(texts.attendance()));
        addComponent(lessons);
        lessons.setSpacing(true);
        portal.world().openFor(username).forEach(this::add);
        redraw();
    }

    @Override
    public void attach() {
        super.attach();
        UI page = getUI();
        if (page.getPushConfiguration().getPushMode().isEnabled()) {
            stopListening = portal.world().onLiveChange(lesson -> push(page, lesson));
            // A lesson may have opened after the lessons were read and before the listener was added.
            portal.world().openFor(username).stream().filter(this::isMissed).forEach(this::follow);
        }
    }

    @Override
    public void detach() {
        stopListening.run();
        super.detach();
    }

    private boolean isMissed(Lesson lesson) {
        return lesson.live() && !shown.containsKey(lesson.id());
    }

    private void push(UI page, Lesson lesson) {
        try {
            page.access(() -> follow(lesson));
        } catch (UIDetachedException pageIsGone) {
            // The page was closed after the listener was called.
        }
    }

    private void follow(Lesson lesson) {
        if (portal.world().isOpen(lesson) && lesson.isFor(username)) {
            add(lesson);
        } else {
            shown.remove(lesson.id());
        }
        redraw();
    }

    private void add(Lesson lesson) {
        if (shown.put(lesson.id(), lesson) == null) {
            portal.log().add("seen", username, lesson.id(), null);
        }
    }

    private void redraw() {
        lessons.removeAllComponents();
        if (shown.isEmpty()) {
            lessons.addComponent(new Label(texts.noLessons()));
        }
        for (Lesson lesson : shown.values()) {
            boolean marked = portal.world().isMarked(lesson, username);
            lessons.addComponent(new LessonCard(lesson, marked, texts, () -> click(lesson)));
        }
    }

    private void click(Lesson lesson) {
        portal.log().add("click", username, lesson.id(), null);
        if (portal.troubles().takeSwallowedClick()) {
            portal.log().add("swallowed", username, lesson.id(), null);
        } else if (portal.troubles().takeExpiryOnClick()) {
            endSession("at a click");
        } else if (portal.troubles().has(now -> now.confirmDialog)
                && !portal.world().isMarked(lesson, username)) {
            portal.log().add("confirm_asked", username, lesson.id(), null);
            UI.getCurrent().addWindow(new ConfirmWindow(texts, () -> confirm(lesson)));
        } else {
            mark(lesson);
        }
    }

    private void confirm(Lesson lesson) {
        portal.log().add("confirmed", username, lesson.id(), null);
        mark(lesson);
    }

    private void endSession(String why) {
        portal.log().add("expired", username, null, why);
        InterruptibleRoundTrip.endSession();
    }

    private void mark(Lesson lesson) {
        if (portal.world().blockedBecause(username) != null) {
            onBlocked.run();
            return;
        }
        boolean made = portal.world().mark(lesson, username);
        if (made && portal.troubles().takeExpiryAfterMark()) {
            endSession("after a mark");
        }
        shown.values().removeIf(one -> !portal.world().isOpen(one));
        redraw();
    }
}
