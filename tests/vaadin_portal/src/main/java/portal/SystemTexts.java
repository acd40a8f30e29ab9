package portal;

import com.vaadin.server.CustomizedSystemMessages;
import com.vaadin.server.SystemMessages;

/** Vaadin's system notifications, which are Russian on the real portal in every language. */
final class SystemTexts {
    private static final String CLICK_TO_GO_ON =
            "Несохранённые данные потеряны.<br/><u>Нажмите здесь</u> или клавишу ESC, чтобы продолжить.";

    private SystemTexts() {}

    static SystemMessages russian() {
        CustomizedSystemMessages messages = new CustomizedSystemMessages();
        messages.setSessionExpiredCaption("Время сеанса истекло");
        messages.setSessionExpiredMessage(CLICK_TO_GO_ON);
        messages.setCommunicationErrorCaption("Проблема со связью");
        messages.setCommunicationErrorMessage(CLICK_TO_GO_ON);
        messages.setAuthenticationErrorCaption("Проблема аутентификации");
        messages.setAuthenticationErrorMessage(CLICK_TO_GO_ON);
        messages.setInternalErrorCaption("Внутренняя ошибка");
        messages.setInternalErrorMessage(CLICK_TO_GO_ON);
        messages.setCookiesDisabledCaption("Cookies отключены");
        messages.setCookiesDisabledMessage(CLICK_TO_GO_ON);
        return messages;
    }
}
