"""The classroom's store in MongoDB, used where MONGODB_URI is set.

It uses no transactions, so that a single server is enough. What has to be decided at once is in one document and is
changed by one conditional write: a session holds its lessons and its live codes (two unique indexes), a sheet its marks
and its versions. Where a change spans several documents, the one that makes it valid is written last; what an
interruption leaves behind is harmless and deleted later.
"""

from classroom.store.mongo_collections.check_ins_and_faces import CheckInsAndFaces
from classroom.store.mongo_collections.people import People
from classroom.store.mongo_collections.sessions import Sessions
from classroom.store.mongo_collections.sheets_and_marks import SheetsAndMarks


class MongoStore(People, Sessions, SheetsAndMarks, CheckInsAndFaces):
    """A ``Store`` in a database of MongoDB, 4.4 or later."""
