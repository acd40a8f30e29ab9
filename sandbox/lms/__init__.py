"""A strict simulator of the LMS's REST API, in both generations of its server."""
