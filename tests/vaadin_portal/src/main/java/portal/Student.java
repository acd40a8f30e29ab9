package portal;

import java.util.Locale;

/**
 * An account of the portal.
 *
 * @param blocked the reason of a block, null if not blocked
 */
record Student(String username, String password, String blocked) {
    private static final String MAIL_DOMAIN = "@kbtu.kz";

    /** The same key for both forms of a username: a_student and A_Student@kbtu.kz. */
    static String key(String username) {
        String name = username.strip().toLowerCase(Locale.ROOT);
        return name.endsWith(MAIL_DOMAIN) ? name.substring(0, name.length() - MAIL_DOMAIN.length()) : name;
    }
}
