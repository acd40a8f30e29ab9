package portal;

import java.util.Arrays;
import javax.servlet.http.Cookie;

/** The portal's three languages, chosen by a cookie; Kazakh by default. */
enum Language {
    KK("kk", "kz"),
    RU("ru", "ru"),
    EN("en", "gb");

    static final String COOKIE = "r5-locale";

    final String code;
    final String flag;

    Language(String code, String flag) {
        this.code = code;
        this.flag = flag;
    }

    static Language of(Cookie[] cookies) {
        if (cookies != null) {
            for (Cookie cookie : cookies) {
                if (cookie.getName().equals(COOKIE)) {
                    return Arrays.stream(values())
                            .filter(language -> language.code.equals(cookie.getValue()))
                            .findFirst()
                            .orElse(KK);
                }
            }
        }
        return KK;
    }
}
