"""The documents about metrics: the list, the dashboard and the alerts name what /metrics has, and nothing else."""

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from classroom.metrics import ClassroomMetrics
from core.health import HealthReports
from core.metrics import Metrics
from lessons.metrics import LessonMetrics
from marker.health_report import MarkerGauges
from portal.metrics import PortalMetrics
from telegram_app.metrics import BotMetrics
from tests.servers import ROOT, need_prometheus

pytestmark = pytest.mark.unit

DOCUMENT, DASHBOARD, ALERTS = (
    ROOT / "docs" / name for name in ("metrics.md", "grafana-dashboard.json", "prometheus-alerts.yml")
)
# labels whose values are ours, or names in our code or of Telegram's methods
LABELS = {
    *("answer", "bot", "call", "error", "lane", "le", "method", "mode", "outcome", "result", "severity"),
    *("state", "step"),
}
BY_PROMETHEUS = {"instance", "job"}
PROCESS = {
    *("process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"),
    *("process_open_fds", "process_max_fds"),
}


def declared() -> Metrics:
    """Return the metrics of a process that has all parts."""
    metrics = HealthReports().metrics
    for part in (BotMetrics, PortalMetrics, LessonMetrics, MarkerGauges, ClassroomMetrics):
        part(metrics)
    metrics.gauge("last_backup_timestamp_seconds", "As in bot.py, which declares it.")
    return metrics


@cache
def series() -> dict[str, str]:
    """Return the names that queries can use: those of the series, each with the name that the list has."""
    found: dict[str, str] = {}
    for family in declared().registry.collect():
        if family.name.startswith("attendance_"):
            kept = f"{family.name}_total" if family.type == "counter" else family.name
            suffixes = ("_bucket", "_sum", "_count") if family.type == "histogram" else ("",)
            found |= {kept + suffix: kept for suffix in suffixes}
    return found


def queries_of_the_dashboard() -> list[str]:
    panels: list[Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def queries_of_the_alerts() -> list[str]:
    found = re.findall(r"expr: (?:>-\n)?(.+?)\n +(?:for|labels):", ALERTS.read_text(encoding="utf-8"), re.DOTALL)
    return [re.sub(r"\s+", " ", query) for query in found]


def test_document() -> None:
    """The document lists each metric once, with its labels, and no metric that does not exist."""
    rows = re.findall(r"^\| `(attendance_\w+)` \|([^|]*)\|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    listed = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    assert len(listed) == len(rows)
    assert set(listed) == set(series().values())
    for family in declared().registry.collect():
        for each in family.samples:
            name = series().get(each.name)
            if name is not None:
                assert set(each.labels) - {"le"} == listed[name], name


def test_names_in_the_text() -> None:
    """Each metric that the advice on faults names exists."""
    named = set(re.findall(r"attendance_\w+", DOCUMENT.read_text(encoding="utf-8")))
    assert named <= set(series()) | set(series().values())


def test_no_person_in_a_label() -> None:
    """All labels are on the list of those whose values are ours."""
    labels = {
        label
        for family in declared().registry.collect()
        if family.name.startswith("attendance_")
        for sample in family.samples
        for label in sample.labels
    }
    assert labels <= LABELS


@pytest.mark.parametrize("queries", [queries_of_the_dashboard, queries_of_the_alerts])
def test_queries(queries: Any) -> None:
    """Each query of the dashboard and of the alerts asks for metrics and labels that exist."""
    found = queries()
    assert len(found) >= 10
    for query in found:
        names = re.findall(r"\b(?:attendance|process|python)_\w+|\bup\b", query)
        assert names, query
        assert set(names) <= set(series()) | PROCESS | {"up"}, query
        used = re.findall(r"(\w+)\s*(?:=|!=|=~|!~)\s*\"", query)
        used += [each for group in re.findall(r"by \(([^)]*)\)", query) for each in group.replace(" ", "").split(",")]
        assert set(used) <= LABELS | BY_PROMETHEUS, query


def test_dashboard() -> None:
    """The dashboard can be provisioned: no panel covers another one, and each says what it shows."""
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    assert "__inputs" not in board
    assert [row["title"] for row in board["panels"] if row["type"] == "row"][:2] == [
        "Is it up",
        "Are lessons marked in time",
    ]
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert max(x for x, _y in cells) < 24
        taken |= cells
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_rules() -> None:
    """promtool accepts the alert rules."""
    need_prometheus()
    checked = subprocess.run(["promtool", "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
    assert "10 rules found" in checked.stdout


@pytest.mark.ordeal
def test_alerts_fire(tmp_path: Path) -> None:
    """promtool's unit test of the rules: each alert fires on its fault, and none on a quiet day."""
    need_prometheus()
    faults = {
        "AttendanceNotReady": ["attendance_ready 0x60"],
        "AttendanceDegraded": ['attendance_problems{severity="degraded"} 1x60'],
        "AttendanceNoChecks": [
            'attendance_monitors{state="waiting"} 3x60',
            'attendance_checks_total{result="ok"} 7x60',
        ],
        "AttendanceSignInsRefused": ['attendance_portal_sign_ins_total{result="refused"} 0+1x60'],
        "AttendanceChromesDie": [
            "attendance_chrome_deaths_total 0+1x60",
            'attendance_chrome_starts_total{result="failed"} 0x60',
        ],
        "AttendanceMessagesLate": ["attendance_outbox_oldest_age_seconds 0+60x60"],
        "AttendanceTelegramFails": [
            'attendance_telegram_calls_total{result="unreachable"} 0+5x60',
            'attendance_telegram_calls_total{result="ok"} 0+5x60',
        ],
        "AttendanceLmsFails": [
            'attendance_lms_calls_total{result="failed"} 0+5x60',
            'attendance_lms_calls_total{result="ok"} 0+1x60',
            "attendance_sheets_not_in_lms 2x60",
        ],
        "AttendanceFaceQueueOld": ["attendance_face_queue_oldest_age_seconds 0+60x60"],
        "AttendanceBackupOld": ["attendance_last_backup_timestamp_seconds 1x72"],
    }
    quiet = [
        *("attendance_ready 1x60", 'attendance_problems{severity="degraded"} 0x60'),
        *('attendance_monitors{state="watching"} 3x60', 'attendance_checks_total{result="ok"} 0+9x60'),
        *('attendance_portal_sign_ins_total{result="refused"} 3x60', "attendance_chrome_deaths_total 1x60"),
        *('attendance_chrome_starts_total{result="failed"} 1x60', "attendance_outbox_oldest_age_seconds 2x60"),
        *('attendance_telegram_calls_total{result="ok"} 0+9x60', 'attendance_lms_calls_total{result="ok"} 0+9x60'),
        *("attendance_sheets_not_in_lms 1x60", "attendance_face_queue_oldest_age_seconds 5x60"),
        *("attendance_last_backup_timestamp_seconds 0x60", 'up{job="attendance"} 1x60'),
    ]

    def scene(series: list[str], fires: str | None) -> dict[str, Any]:
        given = [each.rpartition(" ") for each in series]
        return {
            "interval": "1h" if fires == "AttendanceBackupOld" else "1m",
            "input_series": [{"series": name, "values": values} for name, _space, values in given],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname) (ALERTS{alertstate="firing"})',
                    "eval_time": "72h" if fires == "AttendanceBackupOld" else "50m",  # its clock begins in 1970
                    "exp_samples": [{"labels": f'{{alertname="{fires}"}}', "value": 1}] if fires else [],
                }
            ],
        }

    scenes = [scene(series, name) for name, series in faults.items()] + [scene(quiet, None)]
    file = tmp_path / "alerts.test.yml"
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": scenes}))  # JSON is YAML
    tested = subprocess.run(["promtool", "test", "rules", file], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stdout + tested.stderr
