"""Certificates that Chrome does not accept, and drivers that do not fit: named as what they are, with the remedy."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.clock import SystemClock
from portal import certificates
from portal.driver import mismatch
from portal.errors import CertificateRefused
from portal.limits import Patience
from portal.pages import AttendancePage
from tests.portal.browsers import OpenBrowser
from tests.tls import ISSUER, without_its_issuer
from tests.waiting import PATIENCE


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a portal whose certificate Chrome does not accept."""
    with without_its_issuer(tmp_path_factory.mktemp("tls")) as address:
        yield address


@pytest.mark.browser
@pytest.mark.integration
def test_a_missing_intermediate_is_named(address: str, open_browser: OpenBrowser) -> None:
    """Where Chrome does not know the issuer, the error names the missing certificate and the documents' command."""
    page = AttendancePage(open_browser("headless-shell").driver, time.sleep, SystemClock(), Patience(PATIENCE))
    page.load(address)
    with pytest.raises(CertificateRefused) as raised:
        page.settle()
    assert raised.value.words == ISSUER
    assert f"the certificate of '{ISSUER}' is missing (net::ERR_CERT_AUTHORITY_INVALID)" in str(raised.value)
    assert certificates.ADD_COMMAND in str(raised.value)


@pytest.mark.unit
def test_other_refusals_keep_chrome_s_code(address: str) -> None:
    """An expired certificate is no missing one; where nothing can be read, Chrome's code is what is known."""
    for where, code in ((address, "net::ERR_CERT_DATE_INVALID"), ("https://127.0.0.1:9/", certificates.UNKNOWN_ISSUER)):
        error = certificates.refused(where, code)
        assert error.words == code
        assert "check this machine's clock and network" in str(error)


@pytest.mark.unit
def test_the_command_is_that_of_the_documents() -> None:
    """docs/network.md has the command that the errors name; it makes the store's folder, which certutil does not."""
    document = Path(__file__).parents[2] / "docs" / "network.md"
    assert certificates.ADD_COMMAND in document.read_text(encoding="utf-8")
    assert certificates.ADD_COMMAND.startswith("mkdir -p $HOME/.pki/nssdb && ")


@pytest.mark.unit
def test_a_driver_of_another_version_is_named() -> None:
    """Chromedriver's message about the version becomes an error with both versions and the remedy; others do not."""
    message = (
        "session not created: This version of ChromeDriver only supports Chrome version 114\n"
        "Current browser version is 131.0.6778.85 with binary path /usr/bin/chromium"
    )
    error = mismatch(message)
    assert error is not None
    assert error.words == "chromedriver 114, Chrome 131"
    assert "CHROMEDRIVER_PATH" in str(error)
    assert mismatch("session not created: cannot connect to chrome") is None
