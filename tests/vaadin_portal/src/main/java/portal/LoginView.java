package portal;

import com.vaadin.server.Page;
import com.vaadin.ui.Button;
import com.vaadin.ui.CheckBox;
import com.vaadin.ui.ComboBox;
import com.vaadin.ui.FormLayout;
import com.vaadin.ui.Label;
import com.vaadin.ui.PasswordField;
import com.vaadin.ui.UI;
import com.vaadin.ui.VerticalLayout;
import com.vaadin.ui.Window;
import com.vaadin.ui.themes.ValoTheme;

/** The sign-in form. */
final class LoginView extends VerticalLayout {
    private final transient Portal portal;
    private final transient Texts texts;
    private final ComboBox user;
    private final PasswordField password;

    LoginView(Portal portal, Texts texts) {
        this.portal = portal;
        this.texts = texts;
        user = new ComboBox(texts.user());
        user.setNewItemsAllowed(true);
        user.setImmediate(true);
        password = new PasswordField(texts.password());
        Button signIn = new Button(texts.signIn(), click -> signIn());
        signIn.addStyleName(ValoTheme.BUTTON_PRIMARY);
        addComponent(new Heading(texts.signInHeading()));
        addComponent(new FormLayout(user, password, new CheckBox(texts.rememberMe()), signIn));
    }

    private void signIn() {
        String username = user.getValue() == null ? "" : user.getValue().toString().trim();
        String student = portal.world().signIn(username, password.getValue());
        if (student == null) {
            UI.getCurrent().addWindow(new RefusalWindow(texts));
        } else {
            Sessions.signIn(getSession(), student);
            Page.getCurrent().reload();
        }
    }

    /** A modal window with the reason of a refused sign-in. */
    private static final class RefusalWindow extends Window {
        RefusalWindow(Texts texts) {
            super(texts.error());
            VerticalLayout content = new VerticalLayout(new Label(texts.refused()));
            content.setMargin(true);
            setContent(content);
            addStyleName("global-error");
            setModal(true);
            setResizable(false);
            center();
        }
    }
}
