"""The portal's fixtures, for the password check."""

from tests.portal.conftest import portal

__all__ = ["portal"]
