package portal;

import java.util.Locale;

/**
 * An account of the portal.
 *
 * @param blocked why the account is blocked, null when it is not
 */
record Student(String username, String password, String blocked) {
    private static final String MAIL_DOMAIN = "@kbtu.kz";

    /** The same for both forms that people sign in with: a_student and A_Student@kbtu.kz. */
    static String key(String username) {
        String name = username.strip().toLowerCase(Locale.ROOT);
        return name.endsWith(MAIL_DOMAIN) ? name.substring(0, name.length() - MAIL_DOMAIN.length()) : name;
    }
}
