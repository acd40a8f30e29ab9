"""The classroom's store in MongoDB, used where MONGODB_URI is set.

It uses no transactions, so that a single server is enough. What has to be decided at once is in one document and is
changed by one conditional write: a session holds its lessons and its live codes (two unique indexes), a sheet its marks
and its versions. Where a change spans several documents, the one that makes it valid is written last; what an
interruption leaves behind is harmless and deleted later.
"""

from classroom.store.mongo_collections import check_ins_and_faces, past_sessions, people, sessions, sheets_and_marks
from classroom.store.mongo_connection import MongoConnection


class MongoStore(MongoConnection):
    """A ``Store`` in a database of MongoDB, 4.4 or later. Its methods are functions in ``mongo_collections``."""

    teacher = people.teacher
    save_teacher = people.save_teacher
    remove_teacher = people.remove_teacher
    tokens = people.tokens
    save_tokens = people.save_tokens
    binding_of = people.binding_of
    binding_for = people.binding_for
    is_taken = people.is_taken
    bind = people.bind
    unbind = people.unbind
    forget_student = people.forget_student
    add_wrong_try = people.add_wrong_try
    wrong_tries = people.wrong_tries
    wrong_tries_in_session = people.wrong_tries_in_session

    create_session = sessions.create_session
    session = sessions.session
    sessions_of = sessions.sessions_of
    unfinished = sessions.unfinished
    session_by_code = sessions.session_by_code
    code = sessions.code
    add_code = sessions.add_code
    extend = sessions.extend
    end_session = sessions.end_session
    reopen = sessions.reopen
    set_reported = sessions.set_reported

    sheets = sheets_and_marks.sheets
    sheet_of = sheets_and_marks.sheet_of
    mark = sheets_and_marks.mark
    unacked = sheets_and_marks.unacked
    acked = sheets_and_marks.acked
    set_in_lms = sheets_and_marks.set_in_lms
    set_refused = sheets_and_marks.set_refused

    begin_check_in = check_ins_and_faces.begin_check_in
    check_in = check_ins_and_faces.check_in
    check_ins = check_ins_and_faces.check_ins
    move_check_in = check_ins_and_faces.move_check_in
    latest_check_in = check_ins_and_faces.latest_check_in
    checking = check_ins_and_faces.checking
    consent = check_ins_and_faces.consent
    set_consent = check_ins_and_faces.set_consent
    template = check_ins_and_faces.template
    save_template = check_ins_and_faces.save_template
    remove_templates = check_ins_and_faces.remove_templates
    claim_note = check_ins_and_faces.claim_note

    history = past_sessions.history
    attended = past_sessions.attended
    clean = past_sessions.clean
