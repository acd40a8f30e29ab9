"""chromedriver's start, before there is a browser."""

import fcntl
import os
import resource
import subprocess
import sys
import time

import pytest

from portal.driver import read_port
from tests.waiting import PATIENCE

pytestmark = pytest.mark.unit

HIGH = 1500  # above what select() takes


def test_port_from_a_high_descriptor() -> None:
    """With more than 1,023 descriptors open, as with a few hundred students, a driver's port is read all the same."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= HIGH:
        pytest.skip(f"this process may have {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2 * HIGH), hard))
    says = "print('ChromeDriver was started successfully on port 4711.', flush=True)"
    try:
        with subprocess.Popen([sys.executable, "-c", says], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            high = fcntl.fcntl(process.stdout.fileno(), fcntl.F_DUPFD, HIGH)
            process.stdout.close()
            with os.fdopen(high, "rb") as process.stdout:
                assert process.stdout.fileno() >= HIGH
                assert read_port(process, time.sleep, PATIENCE, bytearray()) == 4711
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
