"""The metrics of the classroom: check-ins, the LMS, faces."""

from classroom.domain.face_policy import FaceVerdict
from classroom.domain.sessions import Mark
from core.metrics import CALL, Calls, Metrics

# Of a face check, in their order; "all" is the whole of it. An engine has some of them.
STEPS = (
    *("waited", "photo", "download", "class", "turn", "template"),
    *("decode", "detect", "track", "depth", "encode", "compare", "decide", "all"),
)
_CHECK = (*CALL, 60.0, 120.0, 300.0, 600.0)  # seconds


class ClassroomMetrics:
    """Shared by both bots."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        declare = metrics or Metrics()
        answers = "Answers to codes, locations and video notes of students by kind (classroom/check_in/answers.py)."
        self._answers = declare.counter("check_in_answers", answers, answer=())
        ends = ("face", "confirmed", "by hand", "rejected", "expired")
        what = "Ends of check-ins: marks by the face, by the teacher's confirmation or by hand; or none."
        self._check_ins = declare.counter("check_ins", what, outcome=ends)
        self.rejected, self.expired = self._check_ins.labels("rejected"), self._check_ins.labels("expired")
        self.sessions = declare.gauge("sessions", "Lessons whose final report was not sent yet.")
        self.unsent = declare.gauge("sheets_not_in_lms", "Sheets with marks that the LMS has not confirmed.")
        self.lms_calls = Calls(declare, "lms", "the LMS", call=())
        writes = "Time to write a sheet to the LMS, refused writes included."
        self.lms_write_seconds = declare.histogram("lms_write_seconds", writes, CALL)
        self.face_queue = declare.gauge("face_queue_notes", "Video notes that wait or are being checked.")
        self.face_in_engine = declare.gauge("face_engine_notes", "Video notes that the face engine is examining.")
        oldest = "For how long the oldest video note has been in the queue; 0: there is none."
        self.face_oldest = declare.gauge("face_queue_oldest_age_seconds", oldest)
        steps = "Duration of a face check's steps."
        self.face_steps = declare.histogram("face_step_seconds", steps, _CHECK, step=STEPS)
        results = "Face checks by result: a verdict, or why the note can't be checked."
        self.face_checks = declare.counter("face_checks", results, result=[each.value for each in FaceVerdict])
        self.face_errors = declare.counter("face_errors", "Failed attempts of face checks by error.", error=())

    def answered(self, kind: str) -> None:
        self._answers.labels(kind).inc()

    def marked(self, mark: Mark) -> None:
        self._check_ins.labels("by hand" if mark.is_by_hand else "confirmed" if mark.by else "face").inc()
