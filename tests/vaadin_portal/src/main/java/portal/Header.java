package portal;

import com.vaadin.server.FontAwesome;
import com.vaadin.server.Page;
import com.vaadin.server.ThemeResource;
import com.vaadin.server.VaadinService;
import com.vaadin.ui.Button;
import com.vaadin.ui.HorizontalLayout;
import com.vaadin.ui.themes.ValoTheme;
import javax.servlet.http.Cookie;

/** The home button and the three flags, none of which signs in or marks. */
final class Header extends HorizontalLayout {
    Header(Texts texts) {
        addStyleName("header");
        setSpacing(true);
        Button home = new Button(texts.home(), click -> Page.getCurrent().reload());
        home.setIcon(FontAwesome.HOME);
        home.addStyleName(ValoTheme.BUTTON_BORDERLESS);
        addComponent(home);
        for (Language language : Language.values()) {
            addComponent(flag(language));
        }
    }

    private static Button flag(Language language) {
        Button button = new Button(new ThemeResource("flags/" + language.flag + ".png"));
        button.addStyleName(ValoTheme.BUTTON_LINK);
        button.addStyleName(ValoTheme.BUTTON_ICON_ONLY);
        button.addClickListener(click -> switchTo(language));
        return button;
    }

    private static void switchTo(Language language) {
        Cookie cookie = new Cookie(Language.COOKIE, language.code);
        cookie.setPath("/");
        VaadinService.getCurrentResponse().addCookie(cookie);
        Page.getCurrent().reload();
    }
}
