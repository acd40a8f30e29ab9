"""/metrics of the real bot.py: accepted by promtool, scraped by a real Prometheus, and showing faults."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import children
from tests.bot_process import BotProcess, ClassProcess, MarkerProcess, free_port
from tests.classroom.running import TEACHER_TOKEN, Student, Teacher, an_lms, its_telegram
from tests.e2e.people import TOKEN, Person, Portal, Telegram, eventually
from tests.servers import need_prometheus
from tests.test_metrics import ALERTS, declared, queries_of_the_dashboard
from tests.waiting import PATIENCE

pytestmark = [pytest.mark.ordeal, pytest.mark.parametrize("portal", ["simulated"], indirect=True)]
STUDENT, USERNAME, PASSWORD = 2001, "a_student", "Correct-Horse-7"  # as in ``all_bots``


def scraped(bot: BotProcess) -> str:
    return httpx.get(f"http://127.0.0.1:{bot.port}/metrics", trust_env=False, timeout=PATIENCE).text


def value(bot: BotProcess, series: str) -> float:
    """Return the value of a series, without the prefix of its name; 0 if it is not there (yet)."""
    found = re.search(rf"^attendance_{re.escape(series)} (\S+)$", scraped(bot), re.MULTILINE)
    return float(found[1]) if found else 0.0


def rises(bot: BotProcess, series: str, above: float = 0.0) -> float:
    """Wait until a series is above a value; return it."""
    return float(eventually(f"{series} above {above}", lambda: (now := value(bot, series)) > above and now))


@pytest.fixture
def watching(bot: MarkerProcess, portal: Portal) -> MarkerProcess:
    """A bot that watches the portal for one student."""
    portal.has_student(USERNAME, PASSWORD)
    bot.seed(STUDENT, USERNAME, PASSWORD, monitoring=True)
    bot.environment["HEALTH_PORT"] = str(bot.port)
    bot.start()
    eventually("the monitor", lambda: f"monitor {STUDENT}: watching" in bot.log())
    return bot


class TestFaults:
    """The table "Find a fault by its metrics" of docs/metrics.md, fault by fault."""

    def test_portal_is_down(self, watching: MarkerProcess, portal: Portal) -> None:
        """Checks fail under the error's name and none succeeds, the monitor waits, and no Chrome dies."""
        portal.behaves(status=503)
        rises(watching, 'checks_total{result="PortalUnavailable"}', 1)
        good = value(watching, 'checks_total{result="ok"}')
        rises(watching, 'checks_total{result="PortalUnavailable"}', 2)
        assert value(watching, 'checks_total{result="ok"}') == good
        assert value(watching, 'monitors{state="waiting"}') == 1
        assert value(watching, "chrome_deaths_total") == 0
        portal.behaves(status=None)
        rises(watching, 'checks_total{result="ok"}', good)

    def test_sign_ins_are_refused(self, bot: MarkerProcess, portal: Portal) -> None:
        """A wrong password counts as a refused sign-in, once: the monitor ends."""
        portal.has_student(USERNAME, PASSWORD)
        bot.seed(STUDENT, USERNAME, "Another-Horse-8", monitoring=True)
        bot.environment["HEALTH_PORT"] = str(bot.port)
        bot.start()
        eventually("the bot", lambda: "is ready" in bot.log())
        assert rises(bot, 'portal_sign_ins_total{result="refused"}') == 1
        eventually("the end", lambda: not re.search(r"^attendance_monitors\{.*\} [1-9]", scraped(bot), re.MULTILINE))
        assert value(bot, 'portal_sign_ins_total{result="ok"}') == 0

    def test_chrome_crashes(self, watching: MarkerProcess) -> None:
        """A killed Chrome counts as a death, and its successor as another start."""
        started = value(watching, 'chrome_starts_total{result="ok"}')
        for process in watching.browsers():
            if "chromedriver" not in children.name_of(process):
                children.kill(process)
        rises(watching, "chrome_deaths_total")
        rises(watching, 'chrome_starts_total{result="ok"}', started)
        assert value(watching, 'checks_total{result="BrowserFailed"}') > 0

    def test_telegram_can_not_be_reached(self, watching: MarkerProcess, portal: Portal, telegram: Telegram) -> None:
        """Calls fail, the message about a mark waits and grows old, and is sent once Telegram is back."""
        Person(telegram, STUDENT, "Aruzhan").says("/start")
        Person(telegram, STUDENT, "Aruzhan").sees(USERNAME)
        telegram.call("/faults", kind="refuse_connection", method="*", times=None)
        portal.opens("Algebra")
        rises(watching, 'lessons_total{outcome="marked"}')
        rises(watching, 'telegram_calls_total{bot="marker",method="sendMessage",result="unreachable"}')
        rises(watching, 'outbox_messages{bot="marker"}')
        first = rises(watching, 'outbox_oldest_age_seconds{bot="marker"}')
        rises(watching, 'outbox_oldest_age_seconds{bot="marker"}', first)
        telegram.http.delete("/faults")
        Person(telegram, STUDENT, "Aruzhan").sees("Attendance Marked.")
        eventually("an empty outbox", lambda: value(watching, 'outbox_messages{bot="marker"}') == 0)
        assert rises(watching, 'outbox_delay_seconds_sum{bot="marker",lane="notice"}') > first

    def test_lms_fails(self, telegram_url: str, tmp_path: Path, portal: Portal) -> None:
        """Calls fail and a sheet with marks waits; once the LMS answers again it is written."""
        telegram = its_telegram(telegram_url)
        with an_lms("newer", [("S001", "Student 1")]) as lms:
            address = {"BASE_URL": f"{lms.url}/api/v1", "JWT_LOGIN_ENDPOINT": lms.login}
            bot = ClassProcess(tmp_path, telegram, **address)
            bot.start()
            try:
                teacher, student = Teacher(telegram, 7001, "+77010000001"), Student(telegram, STUDENT)
                teacher.starts_sign_in()
                teacher.gives_password()
                assert value(bot, 'lms_calls_total{call="POST login",result="ok"}') == 1
                student.enters("S001", teacher.opens("CS-1"))
                student.shares()
                student.is_accepted()
                lms.tells("behaviour", status=500)
                teacher.taps("Confirm All (1)")
                student.sees("Attendance marked")
                rises(bot, 'lms_calls_total{call="POST attendance",result="failed"}')
                assert value(bot, "sheets_not_in_lms") == 1
                assert value(bot, 'check_ins_total{outcome="confirmed"}') == 1
                lms.tells("behaviour", status=None)
                rises(bot, 'lms_calls_total{call="POST attendance",result="ok"}')
                eventually("the sheet", lambda: value(bot, "sheets_not_in_lms") == 0)
            finally:
                bot.end()
                telegram.http.close()


def test_promtool(all_bots: MarkerProcess) -> None:
    """promtool has no complaint about the names, types and help of what bot.py serves, and all of it is there."""
    need_prometheus()
    text = scraped(all_bots)
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    families = set(re.findall(r"^# TYPE (\S+)", text, re.MULTILINE))
    ours = [each for each in declared().registry.collect() if each.name.startswith("attendance_")]
    assert {each.name + ("_total" if each.type == "counter" else "") for each in ours} <= families
    for private in (str(STUDENT), USERNAME, PASSWORD, TOKEN, TEACHER_TOKEN, "S001"):
        assert private not in text


def test_backup_is_known(all_bots: MarkerProcess, tmp_path: Path) -> None:
    """The time of the last backup is 0 before the first one, and then that of the backup."""
    assert value(all_bots, "last_backup_timestamp_seconds") == 0
    assert all_bots.runs("--backup", str(tmp_path / "backup.zip")).returncode == 0
    made_at = (tmp_path / "backup.zip").stat().st_mtime
    assert value(all_bots, "last_backup_timestamp_seconds") == pytest.approx(made_at, abs=60)


def test_prometheus(all_bots: MarkerProcess, tmp_path: Path) -> None:
    """A real Prometheus scrapes the bot: a counter moves, the alerts are loaded, and the dashboard's queries work."""
    need_prometheus()
    port, file = free_port(), tmp_path / "prometheus.yml"
    job = {"job_name": "attendance", "static_configs": [{"targets": [f"127.0.0.1:{all_bots.port}"]}]}
    config = {"global": {"scrape_interval": "1s"}, "scrape_configs": [job], "rule_files": [str(ALERTS)]}
    file.write_text(json.dumps(config))  # JSON is YAML
    places = (
        f"--config.file={file}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with (tmp_path / "prometheus.log").open("wb") as log:
        prometheus = children.start(["prometheus", *places], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:

        def asked(path: str, **parameters: str) -> Any:
            address = f"http://127.0.0.1:{port}/api/v1/{path}"
            try:
                answer = httpx.get(address, params=parameters, trust_env=False, timeout=PATIENCE)
            except httpx.HTTPError:
                return None
            return answer.json()["data"] if answer.is_success and answer.json()["status"] == "success" else None

        def now(query: str) -> float:
            found = (asked("query", query=query) or {}).get("result", [])
            return float(found[0]["value"][1]) if found else -1.0

        checks = 'attendance_checks_total{result="ok"}'
        eventually("the first scrape", lambda: now('up{job="attendance"}') == 1)
        first = eventually("the counter", lambda: (count := now(checks)) > 0 and count)
        eventually("another check", lambda: now(checks) > first)
        assert now("attendance_ready") == 1
        assert now('attendance_monitors{state="watching"}') == 1
        assert now('attendance_chrome_starts_total{result="ok"}') == 1
        assert now('attendance_portal_sign_ins_total{result="ok"}') == 1
        assert now("attendance_portal_load_seconds_count <= attendance_portal_loads_total") > 0  # of one scrape
        for bot in ("marker", "teacher", "student"):
            assert now(f'attendance_telegram_calls_total{{bot="{bot}",method="getMe",result="ok"}}') > 0
        rules = [rule for group in asked("rules")["groups"] for rule in group["rules"]]
        assert len(rules) == 10
        assert {rule["health"] for rule in rules} <= {"ok", "unknown"}  # unknown: not evaluated yet
        for query in queries_of_the_dashboard():
            filled = query.replace('"$instance"', '".*"').replace("$__rate_interval", "1m")
            assert asked("query", query=filled) is not None, query
    finally:
        children.end(prometheus)
