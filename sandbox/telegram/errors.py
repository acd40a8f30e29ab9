"""Errors: ApiError is the Bot API's answer to a bot, ControlError the control API's answer to a test or the page."""


class ApiError(Exception):
    """An error answer of the Bot API: a code, a description and, for 429, the seconds to wait."""

    def __init__(self, code: int, description: str, retry_after: int | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.retry_after = retry_after


class ControlError(Exception):
    """An error answer of the control API: a Telegram app would not allow this, or the request is wrong."""

    def __init__(self, reason: str, status: int = 409) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


def bad_request(message: str) -> ApiError:
    """400 with Telegram's prefix; the first letter becomes lower case unless the message is a CONSTANT.

    Source: Client::fail_query_with_error in github.com/tdlib/telegram-bot-api.
    """
    constant = len(message) > 1 and (message[1] == "_" or message[1].isupper())
    return ApiError(400, f"Bad Request: {message if constant else message[:1].lower() + message[1:]}")


def too_many_requests(retry_after: int) -> ApiError:
    """429: the bot must wait this many seconds."""
    return ApiError(429, f"Too Many Requests: retry after {retry_after}", retry_after)


def blocked_by_the_user() -> ApiError:
    """403 for every message to a person who blocked the bot."""
    return ApiError(403, "Forbidden: bot was blocked by the user")
