"""An asynchronous client of one AWS service, with two kinds of errors.

boto3 blocks, so each call runs in a thread of its own: a daemon, so that a dead connection does not delay the end of
the program. Nothing is retried here; the caller decides. Texts of errors contain only the service, the error code and
the HTTP status: AWS's own messages may contain keys and whole requests.
"""

import asyncio
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

import boto3  # type: ignore[import-untyped,unused-ignore]
from botocore import exceptions as aws  # type: ignore[import-untyped,unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped,unused-ignore]
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped,unused-ignore]
from pydantic import SecretStr
from urllib3.exceptions import HTTPError

TIMEOUT = 10.0  # seconds, to connect and for each part of an answer
WHOLE_TIMEOUT = 30.0  # seconds for a whole call
AT_ONCE = 16  # parallel calls of one service

_MAKING = threading.Lock()  # several threads may use a client, but only one may create one

T = TypeVar("T")

# Error codes after which trying again helps, also where they come with HTTP 400.
_TRY_AGAIN = re.compile("Throttl|Exceeded|SlowDown|Timeout|TooManyRequests|Unavailable|Internal|Prior|InProgress")
_NO_ANSWER = (aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError, aws.ChecksumError,
              aws.FlexibleChecksumError, aws.CredentialRetrievalError, aws.MetadataRetrievalError, HTTPError, OSError,
              ResponseParserError)  # fmt: skip


class AwsUnavailable(Exception):
    """No answer, an error of the service, or throttling (try again)."""


class AwsRefused(Exception):
    """Access is denied, the settings are wrong, or the request is not accepted (permanent); ``code`` says why."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True)
class Access:
    """Region, endpoint and credentials. Without a key boto3 looks for one: an instance role, a profile."""

    region: str
    endpoint: str | None = None
    key_id: SecretStr | None = None
    secret: SecretStr | None = None


class AwsService:
    """Calls an AWS service, named as in boto3. Time-outs are in seconds."""

    def __init__(
        self, service: str, access: Access, *, timeout: float = TIMEOUT, whole_timeout: float = WHOLE_TIMEOUT
    ) -> None:
        self._service = service
        self._access = access
        self._timeout = timeout
        self._whole_timeout = whole_timeout
        self._client: Any = None
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def call(self, work: Callable[[Any], T]) -> T:
        """Return the result of ``work(client)``, run in a thread. Raises AwsUnavailable, AwsRefused."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()

        def run() -> None:
            try:
                future.set_result(work(self._made()))
            except Exception as error:  # noqa: BLE001  # raised by the caller; never a TimeoutError
                future.set_exception(self._as_aws_error(error))

        try:
            async with asyncio.timeout(self._whole_timeout), self._slots:
                threading.Thread(target=run, name="aws-call", daemon=True).start()
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise AwsUnavailable(f"{self._service} took too long") from None

    async def close(self) -> None:
        """Close idle connections; running calls end by themselves."""
        if self._client is not None:
            self._client.close()

    def _made(self) -> Any:
        """Return the client, created at first use: looking for credentials may access the network."""
        with _MAKING:
            if self._client is None:
                access = self._access
                client: Any = boto3.client  # its overloads want a literal name
                self._client = client(
                    self._service,
                    region_name=access.region,
                    endpoint_url=access.endpoint,
                    aws_access_key_id=access.key_id and access.key_id.get_secret_value(),
                    aws_secret_access_key=access.secret and access.secret.get_secret_value(),
                    config=Config(
                        connect_timeout=self._timeout,
                        read_timeout=self._timeout,
                        retries={"total_max_attempts": 1},
                        max_pool_connections=AT_ONCE,
                        s3={"addressing_style": "path" if access.endpoint else "auto"},
                    ),
                )
            return self._client

    def _as_aws_error(self, error: Exception) -> Exception:
        """Convert an error of a call to one of these two; errors of other kinds are returned unchanged."""
        name = type(error).__name__
        if isinstance(error, aws.ClientError):
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            code = code if re.fullmatch(r"[\w.-]{1,64}", code, re.ASCII) else "without a code"
            text = f"{self._service} answers {code} (HTTP {status})"
            is_temporary = status >= 500 or status in (408, 429) or _TRY_AGAIN.search(code)
            return AwsUnavailable(text) if is_temporary else AwsRefused(text, code)
        if isinstance(error, _NO_ANSWER):
            return AwsUnavailable(f"{self._service} does not answer: {name}")
        if isinstance(error, AttributeError | KeyError | TypeError):  # from botocore's parsers, for unexpected JSON
            return AwsUnavailable(f"{self._service} sent an unreadable answer: {name}")
        if isinstance(error, aws.BotoCoreError | ValueError):  # no credentials, an invalid address or name
            return AwsRefused(f"{self._service} can't be called with these settings: {name}", name)
        return error
