"""The settings, read from the environment and .env and validated at start. The environment takes precedence.

For each secret NAME the setting NAME_FILE may name a file with its value, as Docker and Kubernetes provide secrets.
"""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo

from core import environment
from core.active_hours import ActiveHours, parse_hours
from core.environment import ROOT, SettingsError, environment_file, home

__all__ = ["ROOT", "Settings", "SettingsError", "environment_file", "home"]

SHORTEST_CODE = 15  # seconds that a person needs to read a code from the screen and type it
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
BOT_TOKENS = ("telegram_bot_token", "teacher_bot_token", "student_bot_token")


def _split(value: Any) -> Any:
    """Split a comma-separated setting into its lower-case parts."""
    return tuple(p.strip().lower() for p in value.split(",") if p.strip()) if isinstance(value, str) else value


def _split_some(value: Any) -> Any:
    if not (parts := _split(value)) and isinstance(value, str):
        raise ValueError("a list without parts")
    return parts


def _readable(read: Callable[[str], object]) -> AfterValidator:
    """Return the check of a text that ``read`` has to accept."""

    def check(value: str) -> str:
        try:
            read(value)
        except ZoneInfoNotFoundError as error:  # a KeyError
            raise ValueError("not found") from error
        return value

    return AfterValidator(check)


def _matching(pattern: str) -> AfterValidator:
    """Return the check of a secret whose whole value has to match."""

    def check(value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(pattern, value.get_secret_value()):
            raise ValueError("not as described")
        return value

    return AfterValidator(check)


def _check_address(value: str | None, info: ValidationInfo) -> str | None:
    """Passwords and tokens are sent to these addresses: only TLS, loopback, or a host in ALLOW_HTTP_HOSTS."""
    if value is None:
        return None
    parts = urlsplit(value)
    allowed = _LOOPBACK | set(info.data.get("allow_http_hosts", ()))
    # an unescaped character of a password ends the host, or makes a port of it, which raises ValueError too
    if not parts.hostname or parts.port == 0 or "@" in parts.path + parts.query + parts.fragment:
        raise ValueError("not an address")
    if parts.scheme not in ("http", "https"):
        raise ValueError("not an address")
    if parts.scheme == "http" and parts.hostname.lower() not in allowed:
        raise ValueError("http to a host that is not in ALLOW_HTTP_HOSTS")
    return value.rstrip("/")


def _check_open_address(value: str | None, info: ValidationInfo) -> str | None:
    """As ``_check_address``, for an address that is shown in logs and so may not contain a password."""
    checked = _check_address(value, info)
    if checked is not None and "@" in urlsplit(checked).netloc:
        raise ValueError("a name or a password in the address")
    return checked


def _check_secret_address(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    """As ``_check_address``, for an address that may contain a password."""
    checked = _check_address(value.get_secret_value() if value is not None else None, info)
    return SecretStr(checked) if checked is not None else None


def _check_sign_in(value: str | None, info: ValidationInfo) -> str | None:
    """The LMS needs both addresses, and those of its other sign-in calls are derived from this one."""
    if "base_url" in info.data and (value is None) != (info.data["base_url"] is None):
        raise ValueError("BASE_URL and JWT_LOGIN_ENDPOINT go together")
    if value is not None and not urlsplit(value).path.endswith("/login"):
        raise ValueError("not the address of a sign-in")
    return value


def _check_rotation(value: int) -> int:
    if 0 < value < SHORTEST_CODE:
        raise ValueError("too short to type a code")
    return value


_HOST = r"(\[[\da-fA-F:.]+\]|[^/?#@:\[\]]+)"
# A token from @BotFather: the bot's number, a colon, 35 characters.
_Token = Annotated[SecretStr | None, _matching(r"\d{3,20}:[A-Za-z0-9_-]{30,64}")]
_Address = Annotated[str, AfterValidator(_check_open_address)]
_OptionalAddress = Annotated[str | None, AfterValidator(_check_open_address)]
_Ids = tuple[Annotated[int, Field(gt=0)], ...]
_Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
_day = _readable(lambda day: date.fromisoformat(f"2001-{day}"))  # a day of every year, so not 29 February
_Days = tuple[Annotated[str, Field(pattern=r"^\d\d-\d\d$"), _day], ...]
_Path = Annotated[Path, AfterValidator(lambda path: ROOT / path)]


class HealthAddress(NamedTuple):
    """Where /healthz listens."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)]


def _health_address(value: Any) -> Any:
    """Split `HOST:PORT`; a port alone listens on this machine only."""
    if not isinstance(value, str):
        return value
    host, _, port = value.rpartition(":")
    return (host.strip("[]") or "127.0.0.1", int(port))


class Settings(BaseModel):
    """The settings of one process. A field's ``description`` says what is valid; it is part of the error text."""

    model_config = {"validate_default": True, "frozen": True, "hide_input_in_errors": True}

    # first: the validators of the addresses below use it
    allow_http_hosts: _Names = Field((), description="comma-separated host names that may be reached without TLS")
    telegram_bot_token: _Token = Field(
        None, description="the marker bot's token, from @BotFather, like 1234567890:AA..."
    )
    admin_telegram_id: Annotated[_Ids, BeforeValidator(_split_some)] = Field(
        (), description="the admin's numeric Telegram ID, from @userinfobot; several are comma-separated"
    )
    single_user: bool = Field(False, description="1 (for the admin alone, with KBTU_USERNAME and KBTU_PASSWORD) or 0")
    operator_contact: str = Field("", max_length=200, description="who runs the marker, in up to 200 characters")
    teacher_bot_token: _Token = Field(None, description="the teachers' bot's token, from @BotFather")
    student_bot_token: _Token = Field(None, description="the students' bot's token, from @BotFather")
    telegram_api_url: _Address = Field("https://api.telegram.org", description="an https address")
    https_proxy_telegram: Annotated[SecretStr | None, _matching(rf"https?://([^/?#]*@)?{_HOST}(:\d+)?/?")] = Field(
        None, description="the address of a proxy for Telegram only, http:// or https://"
    )

    portal_url: _Address = Field("https://wsp.kbtu.kz/RegistrationOnline", description="an https address")
    refresh_interval: float = Field(20, ge=1, le=600, description="seconds between reloads, 1 to 600")
    portal_max_loads_per_second: float = Field(10, gt=0, le=1000, description="a number above 0, up to 1000")
    portal_max_parallel_sign_ins: int = Field(3, ge=1, le=100, description="a whole number, 1 to 100")
    active_hours: Annotated[str, _readable(parse_hours)] = Field(
        "", description="hours such as Mon-Sat 08:00-21:00, several comma-separated; empty: always"
    )
    timezone: Annotated[str, _readable(ZoneInfo)] = Field(
        "Asia/Almaty", description="the name of a time zone, like Asia/Almaty"
    )
    max_active_monitors: int | None = Field(
        None, ge=1, le=10_000, description="a whole number, 1 to 10000; empty: as many as fit in memory"
    )

    chrome_bin: str | None = Field(None, description="the path of Chrome or Chromium")
    chromedriver_path: str | None = Field(None, description="the path of a matching chromedriver")
    selenium_remote_url: Annotated[SecretStr | None, AfterValidator(_check_secret_address)] = Field(
        None, description="the https address of a Selenium Grid, which may contain a user and a password"
    )

    base_url: _OptionalAddress = Field(None, description="the https address of the LMS's API, like https://lms/api/v1")
    jwt_login_endpoint: Annotated[_OptionalAddress, AfterValidator(_check_sign_in)] = Field(
        None,
        description="the https address of the LMS's sign-in, ending in /login; set both BASE_URL and this, or neither",
    )

    mongodb_uri: Annotated[SecretStr | None, _matching(r"mongodb(\+srv)?://[^/?].*")] = Field(
        None, description="the address of a MongoDB, mongodb:// or mongodb+srv://; empty: SQLite in DATA_DIR"
    )
    mongodb_database: str = Field(
        "lms_database",
        pattern=r"^[A-Za-z0-9_-]{1,63}$",
        description="the name of a MongoDB database: letters, digits, - and _, at most 63",
    )

    otp_expiry_seconds: int = Field(120, ge=30, le=3600, description="seconds, 30 to 3600")
    otp_rotate_seconds: Annotated[int, AfterValidator(_check_rotation)] = Field(
        0, ge=0, le=600, description="seconds between new codes, 15 to 600; 0: one code for the whole session"
    )
    checkin_grace_seconds: int = Field(90, ge=0, le=900, description="seconds, 0 to 900")
    location_distance_limit_meters: float = Field(50, ge=5, le=5000, description="metres, 5 to 5000")
    location_policy: Literal["basic", "strict"] = Field(
        "basic", description="basic (a pin is accepted) or strict (only live location)"
    )

    face_engine: Literal["local", "rekognition", "none"] = Field(
        "local", description="local, rekognition, or none (the teacher confirms)"
    )
    face_match_threshold: float = Field(70.0, ge=1, le=100, description="percent, 1 to 100")
    face_verification_max_retries: int = Field(1, ge=0, le=5, description="retries after a failed attempt, 0 to 5")
    face_compare_class: bool = Field(False, description="1 (with FACE_ENGINE=local) or 0")
    term_ends: Annotated[_Days, BeforeValidator(_split_some)] = Field(
        ("01-31", "07-31"), description="days MM-DD on which terms end and face templates are deleted, comma-separated"
    )
    aws_access_key_id: SecretStr | None = Field(
        None, description="the ID of an AWS access key; empty: the machine's own AWS credentials"
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="the secret of the AWS access key")
    aws_region: str = Field("ap-south-1", description="the name of an AWS region, like ap-south-1")
    aws_endpoint_url: _OptionalAddress = Field(None, description="an https address; empty: AWS's own")
    aws_s3_bucket: str | None = Field(None, description="the S3 bucket with the ID photos; empty: DATA_DIR/photos")
    aws_s3_prefix: str = Field("profile_pics/", description="the prefix of the photos' keys")

    invitation_days: int = Field(
        14, ge=1, le=365, description="days after which an unused invitation code expires, 1 to 365"
    )

    data_dir: _Path = Field(Path("data"), description="a writable folder")
    encryption_key: SecretStr | None = Field(None, description="Fernet keys, comma-separated; the first one encrypts")
    encryption_key_file: _Path = Field(
        Path("secrets/encryption.key"), description="a file outside DATA_DIR that contains the key"
    )

    classroom_admins: Annotated[_Ids, BeforeValidator(_split)] = Field(
        (), description="numeric Telegram IDs of who may send rosters and is told of troubles, comma-separated"
    )
    retention_days: int = Field(180, ge=1, le=3650, description="days for which history is kept, 1 to 3650")

    health_port: Annotated[HealthAddress | None, BeforeValidator(_health_address)] = Field(
        None, description="a port, 1 to 65535, or ADDRESS:PORT to be reached from elsewhere; empty: off"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="DEBUG, INFO, WARNING or ERROR")
    log_format: Literal["text", "json"] = Field("text", description="text or json")

    kbtu_username: str | None = Field(None, description="the username on the portal, for attendance.py and SINGLE_USER")
    kbtu_password: SecretStr | None = Field(None, description="the password on the portal of KBTU_USERNAME")

    @property
    def hours(self) -> ActiveHours:
        return parse_hours(self.active_hours)

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the lessons' dates."""
        return ZoneInfo(self.timezone)


def _is_secret(field: FieldInfo) -> bool:
    return field.annotation in (SecretStr, SecretStr | None)


_SECRETS = [name.upper() for name, field in Settings.model_fields.items() if _is_secret(field)]
_NAMES = [name.upper() for name in Settings.model_fields] + [f"{name}_FILE" for name in _SECRETS] + ["ENV_FILE"]


def load(missing: Callable[[dict[str, str]], list[str]] = lambda values: []) -> Settings:
    """Read and validate the settings; ``missing`` returns a line for each that is needed besides.

    The lines of a SettingsError name each invalid setting, the value it got (unless it is a secret) and what is valid.
    """
    values = environment.given()
    # ENCRYPTION_KEY_FILE is a setting itself: the file may still have to be made
    mistakes = environment.add_secret_files(values, [name for name in _SECRETS if name != "ENCRYPTION_KEY"])
    mistakes += environment.misspelt(environment.from_file(), _NAMES)
    settings = None
    try:
        settings = Settings.model_validate({name.lower(): value for name, value in values.items()})
    except ValidationError as error:
        invalid = dict.fromkeys(str(each["loc"][0]).lower() for each in error.errors(include_url=False))
        mistakes += [_invalid(name, values) for name in invalid]
    mistakes += missing(values)
    if settings is None or mistakes:
        mistakes += misspelt_in_environment()
        raise SettingsError("\n".join(dict.fromkeys(mistakes)))  # without a cause: it contains the values, with secrets
    return settings


def load_for_bot() -> Settings:
    """Read the settings and require those of the marker, the classroom, or both. Raises SettingsError."""
    return load(_missing_for_bot)


def misspelt_in_environment() -> list[str]:
    """Return a line for each variable that is probably meant as a setting. It may be another program's: no error."""
    return environment.misspelt(environment.from_environment(), _NAMES)


_ON = ("1", "true", "yes", "on", "t", "y")  # what pydantic takes for a true value


def _missing_for_bot(values: dict[str, str]) -> list[str]:
    """Return a line for each setting that the bots still need."""
    given = {name for name in Settings.model_fields if name.upper() in values or f"{name}_file".upper() in values}
    is_single, compares_class = (values.get(name, "").lower() in _ON for name in ("SINGLE_USER", "FACE_COMPARE_CLASS"))
    needed = {"telegram_bot_token", "kbtu_username", "kbtu_password"} if is_single else set()
    lines = [f"{_missing(name)}, since SINGLE_USER is on" for name in sorted(needed - given, reverse=True)]
    if not is_single and given.isdisjoint(BOT_TOKENS):
        lines.append(_missing("telegram_bot_token"))
    admins = _split(values.get("ADMIN_TELEGRAM_ID", ""))
    if not admins and (is_single or "telegram_bot_token" in given or given.isdisjoint(BOT_TOKENS)):
        lines.append(_missing("admin_telegram_id"))
    elif is_single and len(admins) != 1:
        lines.append(f"ADMIN_TELEGRAM_ID: got {len(admins)} IDs, wants exactly one, since SINGLE_USER is on")
    if compares_class and (engine := values.get("FACE_ENGINE", "local")) != "local":
        lines.append(
            f"FACE_COMPARE_CLASS: got 1, wants 0, since FACE_ENGINE={engine} keeps no templates to compare with"
        )
    for name, other in (("teacher", "student"), ("student", "teacher")):
        if f"{name}_bot_token" in given and f"{other}_bot_token" not in given:
            lines.append(f"{_missing(f'{other}_bot_token')}: the classroom's two bots go together")
    seen: dict[str, str] = {}  # two bots with one token would receive each other's updates
    for name in (each.upper() for each in BOT_TOKENS if each.upper() in values):
        if (first := seen.setdefault(values[name], name)) != name:
            lines.append(f"{name}: got the token of {first}, wants a different one")
    return lines


def bot_is_configured() -> bool:
    """Return whether any bot token is set, valid or not: a mistyped token must never start the sandbox."""
    values = environment.given()
    return any(values.get(f"{name.upper()}{suffix}") for name in BOT_TOKENS for suffix in ("", "_FILE"))


def _missing(field: str) -> str:
    return f"{field.upper()}: got nothing, wants {Settings.model_fields[field].description}"


def _invalid(name: str, values: dict[str, str]) -> str:
    field = Settings.model_fields[name]
    value = " ".join((values.get(name.upper()) or "").split())
    got = "a value that is not shown here" if _is_secret(field) else f"'{value}'"
    wants = field.description
    if "@" in value and "://" in value and not _is_secret(field):
        got, wants = "an address with a name or a password, not shown here", f"{wants}, without both"
    return f"{name.upper()}: got {got}, wants {wants}"
