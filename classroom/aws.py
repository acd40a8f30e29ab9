"""An asynchronous client of one AWS service, with three kinds of errors.

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
from functools import cache
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

_MAKING = threading.Lock()  # several threads may use a client, but only one may create it

T = TypeVar("T")

# fmt: off
_TRY_AGAIN = {
    "BandwidthLimitExceeded", "InternalError", "InternalFailure", "InternalServerError", "LimitExceededException",
    "PriorRequestNotComplete", "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled",
    "RequestThrottledException", "RequestTimeout", "RequestTimeoutException", "ServiceUnavailable",
    "ServiceUnavailableException", "SlowDown", "Throttling", "ThrottledException", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
}
# besides HTTP 401 and 403; services with the JSON protocol answer these with 400
_DENIED = {
    "AccessDenied", "AccessDeniedException", "AuthorizationHeaderMalformed", "AuthFailure", "ExpiredToken",
    "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
    "InvalidSignatureException", "InvalidToken", "MissingAuthenticationToken", "MissingAuthenticationTokenException",
    "NotAuthorized", "OptInRequired", "PermanentRedirect", "RequestExpired", "RequestTimeTooSkewed",
    "SignatureDoesNotMatch", "SubscriptionRequiredException", "UnrecognizedClientException",
}
_NO_ANSWER = (
    aws.HTTPClientError, aws.ConnectionError, aws.IncompleteReadError, aws.ChecksumError, aws.FlexibleChecksumError,
    aws.CredentialRetrievalError, aws.MetadataRetrievalError, HTTPError, OSError, ResponseParserError,
)
# fmt: on


class AwsError(Exception):
    """A call failed. ``code`` is the error's name at AWS or in botocore, ``status`` the HTTP status; 0: no answer."""

    def __init__(self, text: str, code: str, status: int = 0) -> None:
        super().__init__(text)
        self.code = code
        self.status = status


class AwsUnavailable(AwsError):
    """No answer, an error of the service, or throttling (try again)."""


class AwsRefused(AwsError):
    """Access denied, or wrong settings (permanent: the operator has to change something)."""


class AwsRejected(AwsError):
    """The service rejects this request (permanent); ``code`` says why."""


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
        """Return the result of ``work(client)``, run in a thread. Raises AwsUnavailable, AwsRefused, AwsRejected."""
        try:
            async with asyncio.timeout(self._whole_timeout), self._slots:
                return await _in_thread(lambda: work(self._made()))
        except TimeoutError:  # ours: a socket's time-out was converted in the thread
            raise AwsUnavailable(f"{self._service} took too long", "TimeoutError") from None
        except _Failed as failed:
            raise as_aws_error(self._service, failed.cause) from None

    async def close(self) -> None:
        """Close idle connections; running calls end by themselves."""
        if self._client is not None:
            self._client.close()

    def _made(self) -> Any:
        """Return the client, created at first use: looking for credentials may access the network."""
        with _MAKING:
            if self._client is None:
                self._client = self._make()
            return self._client

    def _make(self) -> Any:
        access = self._access
        config = Config(
            connect_timeout=self._timeout,
            read_timeout=self._timeout,
            retries={"total_max_attempts": 1},
            max_pool_connections=AT_ONCE,
            s3={"addressing_style": "path" if access.endpoint else "auto"},
        )
        return _session().client(
            self._service,
            region_name=access.region,
            endpoint_url=access.endpoint,
            aws_access_key_id=access.key_id and access.key_id.get_secret_value(),
            aws_secret_access_key=access.secret and access.secret.get_secret_value(),
            config=config,
        )


@cache
def _session() -> Any:
    """Return the session that all clients share: it reads the service descriptions once."""
    return boto3.session.Session()


class _Failed(Exception):
    """Wraps an error of a call, so that its time-outs differ from ours."""

    def __init__(self, cause: Exception) -> None:
        super().__init__()
        self.cause = cause


async def _in_thread(work: Callable[[], T]) -> T:
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001  # re-raised by the caller
            future.set_exception(_Failed(error))

    threading.Thread(target=run, name="aws-call", daemon=True).start()
    return await asyncio.wrap_future(future)


def as_aws_error(service: str, error: Exception) -> Exception:
    """Convert an error of a call to an AwsError; errors of other kinds are returned unchanged."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, aws.ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        code = code if re.fullmatch(r"[\w.-]{1,64}", code, re.ASCII) else "without a code"
        text = f"{service} answers {code} (HTTP {status})"
        if status >= 500 or status in (408, 429) or code in _TRY_AGAIN:
            return AwsUnavailable(text, code, status)
        if status in (401, 403) or code in _DENIED:
            return AwsRefused(text, code, status)
        return AwsRejected(text, code, status)
    name = type(error).__name__
    if isinstance(error, _NO_ANSWER):
        return AwsUnavailable(f"{service} does not answer: {name}", name)
    if isinstance(error, AttributeError | KeyError | TypeError):  # from botocore's parsers, for unexpected JSON
        return AwsUnavailable(f"{service} sent an unreadable answer: {name}", name)
    if isinstance(error, aws.BotoCoreError | ValueError):  # no credentials, an invalid address or name
        return AwsRefused(f"{service} can't be called with these settings: {name}", name)
    return error
