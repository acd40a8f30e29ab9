"""Settings: their sources, and one-line errors for invalid values."""

import re
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import settings
from core.settings import Settings, SettingsError

pytestmark = pytest.mark.unit


TOKEN = "1234567890:" + "A" * 35
SECRET = "this-is-nobodys-business"
PLAIN = [name.upper() for name in Settings.model_fields if "token" not in name and "password" not in name]


def clear(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        for variable in (name, name.upper(), f"{name.upper()}_FILE"):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ENV_FILE", "")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings and without .env."""
    clear(monkeypatch)
    return monkeypatch


@pytest.fixture
def dotenv(environment: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The path of the .env file that is read."""
    path = tmp_path / "named.env"
    environment.setenv("ENV_FILE", str(path))
    return path


def refusal() -> str:
    """Load the settings and return the text of the SettingsError."""
    with pytest.raises(SettingsError) as refused:
        settings.load()
    return str(refused.value)


def refusal_if_any() -> str | None:
    try:
        settings.load()
    except SettingsError as refused:
        return str(refused)
    return None


class TestReading:
    def test_nothing_set(self) -> None:
        """Unset settings have their documented defaults."""
        loaded = settings.load()
        assert loaded.telegram_bot_token is None
        assert loaded.admin_telegram_id == ()
        assert (loaded.single_user, loaded.operator_contact) == (False, "")
        assert loaded.telegram_api_url == "https://api.telegram.org"
        assert loaded.portal_url == "https://wsp.kbtu.kz/RegistrationOnline"
        assert (loaded.refresh_interval, loaded.portal_max_loads_per_second) == (20, 10)
        assert (loaded.portal_max_parallel_sign_ins, loaded.max_active_monitors) == (3, None)
        assert (loaded.log_level, loaded.log_format, loaded.health_port) == ("INFO", "text", None)
        assert str(loaded.zone) == "Asia/Almaty"
        assert loaded.data_dir == settings.ROOT / "data"
        assert loaded.encryption_key_file == settings.ROOT / "secrets" / "encryption.key"

    def test_environment(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Values from the environment are converted to their types."""
        environment.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        environment.setenv("ADMIN_TELEGRAM_ID", "11, 22 ,33")
        environment.setenv("REFRESH_INTERVAL", "7.5")
        environment.setenv("DATA_DIR", str(tmp_path))
        environment.setenv("HEALTH_PORT", "8081")
        loaded = settings.load_for_bot()
        assert loaded.telegram_bot_token is not None
        assert loaded.telegram_bot_token.get_secret_value() == TOKEN
        assert loaded.admin_telegram_id == (11, 22, 33)
        assert (loaded.refresh_interval, loaded.data_dir, loaded.health_port) == (7.5, tmp_path, ("127.0.0.1", 8081))

    def test_empty_is_unset(self, environment: pytest.MonkeyPatch) -> None:
        """An empty value means unset, since compose files and .env.example contain empty values."""
        expected = settings.load()
        for name in Settings.model_fields:
            environment.setenv(name.upper(), "")
        assert settings.load() == expected

    def test_env_file(self, dotenv: Path) -> None:
        """ENV_FILE names the file to read; empty values in it mean unset."""
        dotenv.write_text("REFRESH_INTERVAL=30\nTIMEZONE=\n")
        assert settings.load().refresh_interval == 30
        assert settings.load().timezone == "Asia/Almaty"

    def test_missing_env_file(self, dotenv: Path) -> None:
        """A missing .env file is no error."""
        assert not dotenv.exists()
        assert settings.load().refresh_interval == 20

    def test_environment_file(self, environment: pytest.MonkeyPatch) -> None:
        """The project's .env is read unless ENV_FILE names another file or is empty."""
        environment.setenv("ENV_FILE", "")
        assert settings.environment_file() is None
        environment.setenv("ENV_FILE", "/etc/attendance.env")
        assert settings.environment_file() == Path("/etc/attendance.env")
        environment.delenv("ENV_FILE")
        assert settings.environment_file() == settings.ROOT / ".env"

    def test_environment_wins(self, environment: pytest.MonkeyPatch, dotenv: Path) -> None:
        """A non-empty variable of the environment takes precedence over .env."""
        dotenv.write_text("REFRESH_INTERVAL=30\nHEALTH_PORT=9000\n")
        environment.setenv("REFRESH_INTERVAL", "40")
        environment.setenv("HEALTH_PORT", "")
        assert (settings.load().refresh_interval, settings.load().health_port) == (40, ("127.0.0.1", 9000))

    def test_project_folder(self, environment: pytest.MonkeyPatch) -> None:
        """Relative paths start at the project's folder, wherever the process was started."""
        environment.setenv("DATA_DIR", "elsewhere/data")
        environment.setenv("ENCRYPTION_KEY_FILE", "elsewhere/key")
        assert settings.load().data_dir == settings.ROOT / "elsewhere" / "data"
        assert settings.load().encryption_key_file == settings.ROOT / "elsewhere" / "key"

    def test_admin_and_token_are_required(self, environment: pytest.MonkeyPatch) -> None:
        """A missing token or admin raises an error that names the setting."""
        with pytest.raises(SettingsError, match=r"(?m)^TELEGRAM_BOT_TOKEN: got nothing, wants .*@BotFather.*$"):
            settings.load_for_bot()
        environment.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        with pytest.raises(SettingsError, match=r"^ADMIN_TELEGRAM_ID: got nothing, wants .*numeric.*$"):
            settings.load_for_bot()

    def test_classroom_alone(self, environment: pytest.MonkeyPatch) -> None:
        """The classroom's two tokens are enough; only one of them, or the same token twice, is an error."""
        environment.setenv("TEACHER_BOT_TOKEN", TOKEN)
        with pytest.raises(SettingsError, match=r"^STUDENT_BOT_TOKEN: got nothing, wants .*@BotFather.*together$"):
            settings.load_for_bot()
        environment.setenv("STUDENT_BOT_TOKEN", TOKEN)
        with pytest.raises(SettingsError, match=r"^STUDENT_BOT_TOKEN: got the token of TEACHER_BOT_TOKEN, wants"):
            settings.load_for_bot()
        environment.setenv("STUDENT_BOT_TOKEN", f"9{TOKEN}")
        loaded = settings.load_for_bot()
        assert loaded.telegram_bot_token is None
        assert (loaded.otp_expiry_seconds, loaded.otp_rotate_seconds, loaded.checkin_grace_seconds) == (120, 0, 90)
        assert (loaded.location_distance_limit_meters, loaded.location_policy) == (50, "basic")

    def test_single_user(self, environment: pytest.MonkeyPatch) -> None:
        """SINGLE_USER needs the marker's token, an account and exactly one admin; the classroom may run besides."""
        environment.setenv("SINGLE_USER", "1")
        for name, value in (("TEACHER_BOT_TOKEN", f"8{TOKEN}"), ("STUDENT_BOT_TOKEN", f"9{TOKEN}")):
            environment.setenv(name, value)
        for name, value in (
            ("TELEGRAM_BOT_TOKEN", TOKEN),
            ("ADMIN_TELEGRAM_ID", "5,6"),
            ("KBTU_USERNAME", "a_student"),
            ("KBTU_PASSWORD", SECRET),
        ):
            with pytest.raises(SettingsError, match=f"(?m)^{name}: got nothing, wants .*$"):
                settings.load_for_bot()
            environment.setenv(name, value)
        with pytest.raises(SettingsError, match=r"^ADMIN_TELEGRAM_ID: got 2 IDs, wants exactly one, since SINGLE_USER"):
            settings.load_for_bot()
        environment.setenv("ADMIN_TELEGRAM_ID", "5")
        assert settings.load_for_bot().single_user

    @pytest.mark.parametrize("engine", ["rekognition", "none"])
    def test_compared_with_the_class(self, environment: pytest.MonkeyPatch, engine: str) -> None:
        """Only the local engine keeps templates to compare with."""
        for name, value in (("TEACHER_BOT_TOKEN", f"8{TOKEN}"), ("STUDENT_BOT_TOKEN", f"9{TOKEN}")):
            environment.setenv(name, value)
        environment.setenv("FACE_COMPARE_CLASS", "1")
        assert settings.load_for_bot().face_compare_class
        environment.setenv("FACE_ENGINE", engine)
        wanted = f"^FACE_COMPARE_CLASS: got 1, wants 0, since FACE_ENGINE={engine} keeps no templates to compare with$"
        with pytest.raises(SettingsError, match=wanted):
            settings.load_for_bot()

    @pytest.mark.parametrize(("value", "is_right"), [("0", True), ("14", False), ("15", True), ("601", False)])
    def test_rotation(self, environment: pytest.MonkeyPatch, value: str, is_right: bool) -> None:
        """OTP_ROTATE_SECONDS is 0 or long enough to type a code."""
        environment.setenv("OTP_ROTATE_SECONDS", value)
        if is_right:
            assert settings.load().otp_rotate_seconds == int(value)
        else:
            with pytest.raises(
                SettingsError, match=f"^OTP_ROTATE_SECONDS: got '{value}', wants seconds between new codes"
            ):
                settings.load()


class TestWrongValues:
    @pytest.mark.parametrize(
        ("name", "value", "wants"),
        [
            ("ADMIN_TELEGRAM_ID", "@admin", "numeric Telegram ID"),
            ("ADMIN_TELEGRAM_ID", "0", "numeric Telegram ID"),
            ("ADMIN_TELEGRAM_ID", "-5", "numeric Telegram ID"),
            ("ADMIN_TELEGRAM_ID", "5,-5", "numeric Telegram ID"),
            ("ADMIN_TELEGRAM_ID", ",", "numeric Telegram ID"),
            ("TELEGRAM_API_URL", "api.telegram.org", "an https address"),
            ("TELEGRAM_API_URL", "ftp://api.telegram.org", "an https address"),
            ("PORTAL_URL", "https://", "an https address"),
            ("PORTAL_URL", "http://[", "an https address"),
            ("REFRESH_INTERVAL", "often", "1 to 600"),
            ("REFRESH_INTERVAL", "0.5", "1 to 600"),
            ("REFRESH_INTERVAL", "601", "1 to 600"),
            ("REFRESH_INTERVAL", "nan", "1 to 600"),
            ("REFRESH_INTERVAL", "20s", "1 to 600"),
            ("PORTAL_MAX_LOADS_PER_SECOND", "0", "above 0"),
            ("PORTAL_MAX_LOADS_PER_SECOND", "-1", "above 0"),
            ("PORTAL_MAX_LOADS_PER_SECOND", "nan", "above 0"),
            ("PORTAL_MAX_LOADS_PER_SECOND", "inf", "above 0"),
            ("PORTAL_MAX_PARALLEL_SIGN_INS", "0", "1 to 100"),
            ("PORTAL_MAX_PARALLEL_SIGN_INS", "1.5", "1 to 100"),
            ("TIMEZONE", "Almaty", "like Asia/Almaty"),
            ("TIMEZONE", "Asia", "like Asia/Almaty"),
            ("TIMEZONE", "/etc/localtime", "like Asia/Almaty"),
            ("TIMEZONE", "../UTC", "like Asia/Almaty"),
            ("MAX_ACTIVE_MONITORS", "0", "1 to 10000"),
            ("MAX_ACTIVE_MONITORS", "many", "1 to 10000"),
            ("INVITATION_DAYS", "0", "1 to 365"),
            ("INVITATION_DAYS", "366", "1 to 365"),
            ("INVITATION_DAYS", "1.5", "1 to 365"),
            ("FACE_COMPARE_CLASS", "some", "1 (with FACE_ENGINE=local) or 0"),
            ("SINGLE_USER", "maybe", "with KBTU_USERNAME and KBTU_PASSWORD) or 0"),
            ("OPERATOR_CONTACT", "x" * 201, "up to 200 characters"),
            ("HEALTH_PORT", "0", "1 to 65535"),
            ("HEALTH_PORT", "65536", "1 to 65535"),
            ("HEALTH_PORT", "0.0.0.0:x", "1 to 65535"),
            ("HEALTH_PORT", "0.0.0.0:0", "1 to 65535"),
            ("LOG_LEVEL", "LOUD", "DEBUG, INFO, WARNING or ERROR"),
            ("LOG_FORMAT", "xml", "text or json"),
        ],
    )
    def test_one_line(self, environment: pytest.MonkeyPatch, name: str, value: str, wants: str) -> None:
        """An invalid value raises a one-line error with the name, the value and what is valid."""
        environment.setenv(name, value)
        line = refusal()
        assert line.startswith(f"{name}: got '{value}', wants ")
        assert wants in line
        assert "\n" not in line

    def test_from_env_file(self, dotenv: Path) -> None:
        """An invalid value in .env raises the same error."""
        dotenv.write_text("REFRESH_INTERVAL=soon\n")
        assert refusal() == "REFRESH_INTERVAL: got 'soon', wants seconds between reloads, 1 to 600"

    def test_name_in_small_letters(self, environment: pytest.MonkeyPatch) -> None:
        """Lower-case names are read as well, and the error has their value."""
        environment.setenv("refresh_interval", "soon")
        assert refusal() == "REFRESH_INTERVAL: got 'soon', wants seconds between reloads, 1 to 600"

    def test_value_of_two_lines(self, environment: pytest.MonkeyPatch) -> None:
        """The error for a value with a line break is one line."""
        environment.setenv("LOG_LEVEL", "INFO\nDEBUG")
        assert refusal().startswith("LOG_LEVEL: got ")
        assert len(refusal().splitlines()) == 1

    @given(
        name=st.sampled_from(PLAIN),
        value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
    )
    def test_any_text(self, name: str, value: str) -> None:
        """Any value is accepted or raises a one-line error that begins with the setting's name."""
        with pytest.MonkeyPatch.context() as monkeypatch:
            clear(monkeypatch)
            monkeypatch.setenv(name, value)
            line = refusal_if_any()
        assert line is None or line.startswith(f"{name}: got ")
        assert line is None or len(line.splitlines()) == 1


class TestSeveralMistakes:
    def test_all_at_once(self, environment: pytest.MonkeyPatch, dotenv: Path, tmp_path: Path) -> None:
        """Invalid, missing, unreadable and misspelt settings are all in one error, a line each."""
        dotenv.write_text("REFRESH_INTERVALL=5\nTIMEZONE=Almaty\n")
        environment.setenv("REFRESH_INTERVAL", "often")
        environment.setenv("TEACHER_BOT_TOKEN", TOKEN)
        environment.setenv("KBTU_PASSWORD_FILE", str(tmp_path / "nowhere"))
        environment.setenv("LOGLEVEL", "DEBUG")
        with pytest.raises(SettingsError) as refused:
            settings.load_for_bot()
        assert sorted(line.split(",")[0] for line in str(refused.value).splitlines()) == [
            f"KBTU_PASSWORD_FILE: got '{tmp_path / 'nowhere'}'",
            "LOGLEVEL: no such setting",
            "REFRESH_INTERVAL: got 'often'",
            "REFRESH_INTERVALL: no such setting",
            "STUDENT_BOT_TOKEN: got nothing",
            "TIMEZONE: got 'Almaty'",
        ]

    def test_nothing_given(self) -> None:
        """Without any setting both that the marker needs are named."""
        with pytest.raises(SettingsError) as refused:
            settings.load_for_bot()
        assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
            "TELEGRAM_BOT_TOKEN",
            "ADMIN_TELEGRAM_ID",
        ]

    def test_single_user(self, environment: pytest.MonkeyPatch) -> None:
        """What SINGLE_USER needs is named at once, beside an invalid value."""
        environment.setenv("SINGLE_USER", "1")
        environment.setenv("LOG_LEVEL", "LOUD")
        with pytest.raises(SettingsError) as refused:
            settings.load_for_bot()
        assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
            "LOG_LEVEL",
            "TELEGRAM_BOT_TOKEN",
            "KBTU_USERNAME",
            "KBTU_PASSWORD",
            "ADMIN_TELEGRAM_ID",
        ]

    def test_one_mistake_is_one_line(self, environment: pytest.MonkeyPatch) -> None:
        """A wrong address of the LMS is not reported for its sign-in as well."""
        environment.setenv("BASE_URL", "http://lms.example")
        environment.setenv("JWT_LOGIN_ENDPOINT", "https://lms.example/login")
        assert refusal().splitlines() == [refusal()]


class TestMisspelt:
    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("REFRESH_INTERVALL", "REFRESH_INTERVAL"),
            ("refresh_intervall", "REFRESH_INTERVAL"),
            ("TELEGRAM_TOKEN", "TELEGRAM_BOT_TOKEN"),
            ("TELEGRAM_BOT_TOKENFILE", "TELEGRAM_BOT_TOKEN_FILE"),
            ("LOCATION_POLCY", "LOCATION_POLICY"),
            ("LOGLEVEL", "LOG_LEVEL"),
            ("TIME_ZONE", "TIMEZONE"),
        ],
    )
    def test_close(self, environment: pytest.MonkeyPatch, dotenv: Path, name: str, meant: str) -> None:
        """A name that is close to a setting's is an error in .env, and a warning in the environment."""
        line = f"{name.upper()}: no such setting, did you mean {meant}?"
        environment.setenv(name, "1")
        settings.load()
        assert settings.misspelt_in_environment() == [line]
        environment.delenv(name)
        dotenv.write_text(f"{name}=1\n")
        assert refusal() == line

    @pytest.mark.parametrize(
        "name",
        [
            "MEMORY_LIMIT",
            "MONGO_PASSWORD",
            "HTTPS_PROXY",
            "AWS_ENDPOINT_URL_S3",
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_DEFAULT_REGION",
            "TZ",
            "HOME",
            "PORT",
            "KBTU_PASSWORD_FILE",
            "ENV_FILE",
        ],
    )
    def test_of_others(self, dotenv: Path, environment: pytest.MonkeyPatch, name: str) -> None:
        """Names of other programs, of docker-compose.yml and of secrets' files are accepted."""
        environment.setenv("KBTU_PASSWORD", "x")  # so that its file is not read
        dotenv.write_text(f"{name}=1\n")
        settings.load()
        assert settings.misspelt_in_environment() == []


class TestHealthAddress:
    @pytest.mark.parametrize(
        ("value", "at"),
        [
            ("8081", ("127.0.0.1", 8081)),
            ("0.0.0.0:8081", ("0.0.0.0", 8081)),
            ("[::]:80", ("::", 80)),
            ("10.0.0.5:65535", ("10.0.0.5", 65535)),
        ],
    )
    def test_forms(self, environment: pytest.MonkeyPatch, value: str, at: tuple[str, int]) -> None:
        """A port alone is this machine's own; an address before it is the one to listen on."""
        environment.setenv("HEALTH_PORT", value)
        assert settings.load().health_port == at


class TestAddresses:
    @pytest.mark.parametrize("name", ["TELEGRAM_API_URL", "PORTAL_URL"])
    @pytest.mark.parametrize(
        "address", ["http://localhost:8081", "http://LOCALHOST", "http://127.0.0.1:1", "http://[::1]:8081/x"]
    )
    def test_plain_http_on_this_machine(self, environment: pytest.MonkeyPatch, name: str, address: str) -> None:
        """Plain http is allowed to loopback."""
        environment.setenv(name, address)
        assert getattr(settings.load(), name.lower()) == address

    @pytest.mark.parametrize("name", ["TELEGRAM_API_URL", "PORTAL_URL"])
    @pytest.mark.parametrize(
        "address",
        ["http://api.telegram.org", "http://telegram:8081", "http://localhost.evil.com"],
    )
    def test_plain_http_elsewhere(self, environment: pytest.MonkeyPatch, name: str, address: str) -> None:
        """Plain http to other hosts is an error: tokens and passwords are sent to these addresses."""
        environment.setenv(name, address)
        assert refusal() == f"{name}: got '{address}', wants an https address"

    @pytest.mark.parametrize("name", ["TELEGRAM_API_URL", "PORTAL_URL", "BASE_URL", "AWS_ENDPOINT_URL"])
    @pytest.mark.parametrize(
        "address",
        [
            "https://me:hunter2@lms.example",
            "https://hunter2@lms.example/x",
            "https://me:hunter2#@x",
            "http://localhost@evil.com",
        ],
    )
    def test_password_in_an_address(self, environment: pytest.MonkeyPatch, name: str, address: str) -> None:
        """These addresses stand in logs: a name or a password in one is refused, and is not shown."""
        environment.setenv(name, address)
        told = next(line for line in refusal().splitlines() if line.startswith(name))
        assert "with a name or a password, not shown here" in told
        assert "hunter2" not in told

    def test_allowed_hosts(self, environment: pytest.MonkeyPatch) -> None:
        """Plain http is allowed to hosts in ALLOW_HTTP_HOSTS, and to no others."""
        environment.setenv("ALLOW_HTTP_HOSTS", "Telegram, portal")
        environment.setenv("TELEGRAM_API_URL", "http://telegram:8081/")
        environment.setenv("PORTAL_URL", "http://portal/RegistrationOnline")
        assert settings.load().telegram_api_url == "http://telegram:8081"
        environment.setenv("PORTAL_URL", "http://wsp.kbtu.kz/RegistrationOnline")
        assert refusal().startswith("PORTAL_URL: ")


class TestSecrets:
    def test_wrong_secret_is_not_shown(self, environment: pytest.MonkeyPatch) -> None:
        """A mistyped token is neither in the error's text nor in its traceback."""
        environment.setenv("TELEGRAM_BOT_TOKEN", SECRET)
        with pytest.raises(SettingsError) as refused:
            settings.load()
        assert str(refused.value).startswith("TELEGRAM_BOT_TOKEN: got a value that is not shown here, wants ")
        assert SECRET not in "".join(traceback.format_exception(refused.value))

    def test_wrong_secret_in_env_file(self, dotenv: Path) -> None:
        """A mistyped token in .env is not shown."""
        dotenv.write_text(f"TELEGRAM_BOT_TOKEN={SECRET}\n")
        assert SECRET not in refusal()

    def test_wrong_secret_in_its_file(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A mistyped token in a TELEGRAM_BOT_TOKEN_FILE is not shown."""
        (tmp_path / "token").write_text(SECRET)
        environment.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path / "token"))
        assert SECRET not in refusal()

    def test_secrets_are_not_printed(self, environment: pytest.MonkeyPatch) -> None:
        """Printed settings contain no secrets."""
        environment.setenv("TELEGRAM_BOT_TOKEN", TOKEN)
        environment.setenv("KBTU_PASSWORD", SECRET)
        environment.setenv("ENCRYPTION_KEY", SECRET)
        environment.setenv("HTTPS_PROXY_TELEGRAM", f"http://me:{SECRET}@proxy")
        shown = f"{settings.load()!r} {settings.load()} {settings.load().model_dump()}"
        assert TOKEN not in shown
        assert SECRET not in shown


class TestLms:
    """The LMS's two addresses: API and sign-in."""

    def test_both(self, environment: pytest.MonkeyPatch) -> None:
        """Both addresses are unset by default, and both can be set."""
        assert (settings.load().base_url, settings.load().jwt_login_endpoint) == (None, None)
        environment.setenv("BASE_URL", "https://lms.example/api/v1/")
        environment.setenv("JWT_LOGIN_ENDPOINT", "https://sign-in.example/auth/login")
        loaded = settings.load()
        assert loaded.base_url == "https://lms.example/api/v1"
        assert loaded.jwt_login_endpoint == "https://sign-in.example/auth/login"

    @pytest.mark.parametrize(
        ("given", "line"),
        [
            ({"BASE_URL": "https://lms.example/api/v1"}, "JWT_LOGIN_ENDPOINT: got ''"),
            (
                {"JWT_LOGIN_ENDPOINT": "https://lms.example/login"},
                "JWT_LOGIN_ENDPOINT: got 'https://lms.example/login'",
            ),
            (
                {"BASE_URL": "https://lms.example/api/v1", "JWT_LOGIN_ENDPOINT": "https://lms.example/auth"},
                "JWT_LOGIN_ENDPOINT: got 'https://lms.example/auth'",
            ),
            ({"BASE_URL": "http://lms.example", "JWT_LOGIN_ENDPOINT": "https://a/login"}, "BASE_URL: got 'http://lms"),
            (
                {"BASE_URL": "https://lms.example", "JWT_LOGIN_ENDPOINT": "http://a/login"},
                "JWT_LOGIN_ENDPOINT: got 'http",
            ),
        ],
    )
    def test_half_an_lms(self, environment: pytest.MonkeyPatch, given: dict[str, str], line: str) -> None:
        """One address without the other, a wrong sign-in address, or plain http raises a one-line error."""
        for name, value in given.items():
            environment.setenv(name, value)
        assert refusal().startswith(line)


class TestMongo:
    """The classroom's MongoDB."""

    def test_given(self, environment: pytest.MonkeyPatch) -> None:
        """MONGODB_URI is unset by default; it may contain a password and is not printed."""
        assert (settings.load().mongodb_uri, settings.load().mongodb_database) == (None, "lms_database")
        environment.setenv("MONGODB_URI", f"mongodb+srv://person:{SECRET}@mongo.example/?appName=x")
        environment.setenv("MONGODB_DATABASE", "attendance-2")
        loaded = settings.load()
        assert loaded.mongodb_uri is not None
        assert loaded.mongodb_uri.get_secret_value().endswith("@mongo.example/?appName=x")
        assert loaded.mongodb_database == "attendance-2"
        assert SECRET not in repr(loaded)

    @pytest.mark.parametrize("address", [f"http://person:{SECRET}@mongo.example", f"{SECRET}.example", "mongodb://"])
    def test_wrong_address(self, environment: pytest.MonkeyPatch, address: str) -> None:
        """An invalid address raises an error that does not show it."""
        environment.setenv("MONGODB_URI", address)
        assert refusal().startswith("MONGODB_URI: got a value that is not shown here, wants the address of a MongoDB")

    @pytest.mark.parametrize("name", ["two words", "a.b", "x" * 64, "$x"])
    def test_wrong_database(self, environment: pytest.MonkeyPatch, name: str) -> None:
        """An invalid database name raises an error."""
        environment.setenv("MONGODB_DATABASE", name)
        assert refusal().startswith(f"MONGODB_DATABASE: got '{name}', wants ")


class TestGridAddress:
    @pytest.mark.parametrize("character", "#/?")
    @pytest.mark.parametrize("password", ["begin{}hunter", "4444{}hunter"])
    def test_unescaped_password(self, environment: pytest.MonkeyPatch, password: str, character: str) -> None:
        """A character of the password that ends the host is an error that shows no part of it."""
        environment.setenv("SELENIUM_REMOTE_URL", f"https://operator:{password.format(character)}@hub:4444")
        refused = refusal()
        assert refused.startswith("SELENIUM_REMOTE_URL: got a value that is not shown here")
        assert "hunter" not in refused

    def test_escaped_password(self, environment: pytest.MonkeyPatch) -> None:
        """Escaped it is a part of the address."""
        environment.setenv("SELENIUM_REMOTE_URL", "https://operator:a%23b@hub:4444")
        assert settings.load().selenium_remote_url is not None


class TestSecretFiles:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("TELEGRAM_BOT_TOKEN", TOKEN),
            ("KBTU_PASSWORD", SECRET),
            ("HTTPS_PROXY_TELEGRAM", "http://me:secret@proxy.example:3128"),
            ("MONGODB_URI", "mongodb://me:secret@mongo.example"),
        ],
    )
    def test_file_stands_in(self, environment: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str) -> None:
        """NAME_FILE names a file with the value; a trailing newline is removed."""
        (tmp_path / "secret").write_text(f"{value}\n")
        environment.setenv(f"{name}_FILE", str(tmp_path / "secret"))
        assert getattr(settings.load(), name.lower()).get_secret_value() == value

    @pytest.mark.parametrize(
        "value", ["proxy.example:3128", "socks5://proxy.example", "http//me:hunter2@proxy", "http://me:hunter#2@proxy"]
    )
    def test_wrong_proxy(self, environment: pytest.MonkeyPatch, value: str) -> None:
        """An invalid proxy address raises an error that does not show it, since it may contain a password."""
        environment.setenv("HTTPS_PROXY_TELEGRAM", value)
        with pytest.raises(SettingsError, match="HTTPS_PROXY_TELEGRAM: got a value that is not shown here") as refused:
            settings.load()
        assert value not in str(refused.value)

    def test_env_file_of_another_encoding(self, dotenv: Path) -> None:
        """An .env file that is not UTF-8 raises a one-line error without its content, and no sandbox starts."""
        dotenv.write_bytes(b"# caf\xe9\nTELEGRAM_BOT_TOKEN=secret")
        with pytest.raises(SettingsError, match="wants text in UTF-8"):
            settings.load()
        with pytest.raises(SettingsError, match="wants text in UTF-8"):
            settings.bot_is_configured()

    @pytest.mark.parametrize("line", ['TELEGRAM_BOT_TOKEN="secret', "LOG_LEVEL='INFO"])
    def test_open_quote(self, dotenv: Path, line: str) -> None:
        """A quote that is not closed raises a one-line error with the line's number, and no sandbox starts."""
        dotenv.write_text(f"# settings\n{line}\n")
        for read in (settings.load, settings.bot_is_configured):
            with pytest.raises(SettingsError, match=r"^'.*', line 2: can't be read") as refused:
                read()
            assert "secret" not in str(refused.value)

    def test_named_in_env_file(self, dotenv: Path, tmp_path: Path) -> None:
        """NAME_FILE may be set in .env."""
        (tmp_path / "secret").write_text(TOKEN)
        dotenv.write_text(f"TELEGRAM_BOT_TOKEN_FILE={tmp_path / 'secret'}\n")
        token = settings.load().telegram_bot_token
        assert token is not None
        assert token.get_secret_value() == TOKEN

    def test_order(self, environment: pytest.MonkeyPatch, dotenv: Path, tmp_path: Path) -> None:
        """The order is environment, NAME_FILE, .env; an empty variable means unset."""
        (tmp_path / "secret").write_text("from the file")
        dotenv.write_text("KBTU_PASSWORD=from .env\n")

        def found() -> str:
            password = settings.load().kbtu_password
            return password.get_secret_value() if password else ""

        assert found() == "from .env"
        environment.setenv("KBTU_PASSWORD_FILE", str(tmp_path / "secret"))
        assert found() == "from the file"
        environment.setenv("KBTU_PASSWORD", "from the environment")
        assert found() == "from the environment"
        environment.setenv("KBTU_PASSWORD", "")
        assert found() == "from the file"
        environment.setenv("KBTU_PASSWORD_FILE", "")
        assert found() == "from .env"

    def test_missing_file(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """The error for an unreadable file has its path and the reason."""
        environment.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path / "nowhere"))
        assert refusal() == (
            f"TELEGRAM_BOT_TOKEN_FILE: got '{tmp_path / 'nowhere'}', wants a readable file (No such file or directory)"
        )
        environment.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path))
        assert refusal().startswith(f"TELEGRAM_BOT_TOKEN_FILE: got '{tmp_path}', wants a readable file")

    def test_binary_file(self, environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A file that is not text raises a one-line error without its content."""
        (tmp_path / "secret").write_bytes(b"\xff\xfe" + SECRET.encode())
        environment.setenv("TELEGRAM_BOT_TOKEN_FILE", str(tmp_path / "secret"))
        line = refusal()
        assert line.startswith("TELEGRAM_BOT_TOKEN_FILE: ")
        assert SECRET not in line
        assert "\n" not in line


class TestBotIsConfigured:
    """The sandbox starts only if no bot token is set: a real token must never be sent to a simulator."""

    def test_nothing_given(self, environment: pytest.MonkeyPatch, dotenv: Path) -> None:
        """A missing or empty token is not a configured bot."""
        assert not settings.bot_is_configured()
        dotenv.write_text("TELEGRAM_BOT_TOKEN=\n")
        environment.setenv("TELEGRAM_BOT_TOKEN", "")
        assert not settings.bot_is_configured()

    @pytest.mark.parametrize(
        "name", ["TELEGRAM_BOT_TOKEN", "TELEGRAM_BOT_TOKEN_FILE", "telegram_bot_token", "STUDENT_BOT_TOKEN"]
    )
    @pytest.mark.parametrize("value", [TOKEN, "mistyped"], ids=["right", "wrong"])
    def test_given_right_or_wrong(self, environment: pytest.MonkeyPatch, name: str, value: str) -> None:
        """A token under any name that is read is a configured bot, also if it is mistyped."""
        environment.setenv(name, value)
        assert settings.bot_is_configured()

    @pytest.mark.parametrize("line", ["TELEGRAM_BOT_TOKEN=mistyped", "TELEGRAM_BOT_TOKEN_FILE=/run/secrets/token"])
    def test_given_in_env_file(self, dotenv: Path, line: str) -> None:
        """A token in .env is a configured bot."""
        dotenv.write_text(line)
        assert settings.bot_is_configured()

    def test_empty_variable_hides_nothing(self, environment: pytest.MonkeyPatch, dotenv: Path) -> None:
        """An empty variable means unset, so the token in .env is used."""
        dotenv.write_text(f"TELEGRAM_BOT_TOKEN={TOKEN}")
        environment.setenv("TELEGRAM_BOT_TOKEN", "")
        assert settings.load().telegram_bot_token is not None
        assert settings.bot_is_configured()


class TestHome:
    """The folder for .env, data and secrets."""

    @pytest.mark.parametrize("module", ["settings.py", "core/settings.py"])
    def test_checkout(self, tmp_path: Path, module: str) -> None:
        """In a checkout it is the project's folder."""
        (tmp_path / "pyproject.toml").touch()
        assert settings.home(tmp_path / module) == tmp_path

    @pytest.mark.parametrize("module", ["settings.py", "core/settings.py"])
    def test_installed(self, tmp_path: Path, module: str) -> None:
        """In an installation it is the working directory, even if another package installed a pyproject.toml."""
        packages = tmp_path / "lib" / "site-packages"
        packages.mkdir(parents=True)
        (packages / "pyproject.toml").touch()
        assert settings.home(packages / module) == Path.cwd()


def _written(default: object) -> str:
    """Return a default as docs/settings.md writes it."""
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    if isinstance(default, bool | float):
        default = int(default) if default == int(default) else default
    return f"`{default}`" if default not in (None, "") else "empty"


def test_every_setting_is_documented() -> None:
    """docs/settings.md and .env.example have every setting with its default, and no other one."""
    fields = settings.Settings.model_fields
    page = (settings.ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]+)` \| ([^|]+?) \|", page, re.MULTILINE)
    assert len(rows) == len(fields)
    assert dict(rows) == {name.upper(): _written(field.default) for name, field in fields.items()}
    example = (settings.ROOT / ".env.example").read_text(encoding="utf-8")
    lines = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=(.*)$", example, re.MULTILINE)
    assert {name: _written(value) for name, value in lines} == dict(rows)
