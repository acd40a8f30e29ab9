package portal;

/** The portal's texts in one language. */
record Texts(
        String signInHeading,
        String user,
        String password,
        String rememberMe,
        String signIn,
        String refused,
        String error,
        String blocked,
        String home,
        String attendance,
        String noLessons,
        String minutesLeft,
        String mark,
        String marked,
        String confirm,
        String yes,
        String no,
        String unknown) {

    private static final Texts KAZAKH =
            new Texts(
                    "Жүйеге кіру",
                    "Қолданушы",
                    "Құпиясөз",
                    "Мені есте сақтау",
                    "Кіру",
                    "Логин немесе құпиясөз қате.",
                    "Қате",
                    "Пайдаланушы бұғатталған. Себеп: %s",
                    "Басты бет",
                    "Сабаққа қатысу",
                    "Қолжетімді пәндер жоқ",
                    "%d минут қалды",
                    "Белгілену",
                    "Белгіленді",
                    "Сабаққа қатысқаныңызды растайсыз ба?",
                    "Иә",
                    "Жоқ",
                    "Құрметті студент! Жалғастыру үшін сауалнаманы толтырыңыз.");
    private static final Texts RUSSIAN =
            new Texts(
                    "Вход в систему",
                    "Пользователь",
                    "Пароль",
                    "Запомнить меня",
                    "Вход",
                    "Неверный логин или пароль.",
                    "Ошибка",
                    "Пользователь заблокирован. Причина: %s",
                    "Главная",
                    "Отметка посещаемости",
                    "Нет доступных дисциплин",
                    "Осталось %d минут",
                    "Отметиться",
                    "Отмечен",
                    "Подтверждаете своё присутствие на занятии?",
                    "Да",
                    "Нет",
                    "Уважаемый студент! Чтобы продолжить, заполните анкету.");
    private static final Texts ENGLISH =
            new Texts(
                    "Sign in",
                    "Username",
                    "Password",
                    "Remember me",
                    "Log in",
                    "Invalid login or password",
                    "Error",
                    "User is blocked. Reason: %s",
                    "Home",
                    "Attendance",
                    "No available disciplines",
                    "%d minutes left",
                    "Mark attendance",
                    "Marked",
                    "Do you confirm that you are at the lesson?",
                    "Yes",
                    "No",
                    "Dear student! Please fill in the survey to go on.");

    static Texts in(Language language) {
        return switch (language) {
            case KK -> KAZAKH;
            case RU -> RUSSIAN;
            case EN -> ENGLISH;
        };
    }
}
