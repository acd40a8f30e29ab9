"""The metrics of the portal and its Chromes, counted from the monitors' threads."""

from core.metrics import LONG, Metrics
from portal import errors
from portal.views import Reading, View
from portal.words import failed_sign_in

_SIGN_INS: dict[type[errors.PortalError], str] = {
    errors.SignInRefused: "refused",
    errors.AccountBlocked: "blocked",
    errors.PasswordExpired: "password expired",
}


class PortalMetrics:
    """Shared by all monitors and password checks of a process."""

    def __init__(self, metrics: Metrics | None = None) -> None:
        declare = metrics or Metrics()
        self.loads = declare.counter("portal_loads", "Loads of the portal's page that were begun.")
        self.load_seconds = declare.histogram(
            "portal_load_seconds", "Time from a load of the portal's page until the page was ready.", LONG
        )
        self._sign_ins = declare.counter(
            "portal_sign_ins",
            "Sign-ins at the portal by result, trials of passwords included.",
            result=("ok", *_SIGN_INS.values(), "failed"),
        )
        self.chrome_starts = declare.counter(
            "chrome_starts", "Starts of a Chrome with its driver by result.", result=("ok", "failed")
        )
        self.chrome_deaths = declare.counter("chrome_deaths", "Chromes that ended or hung while a monitor used them.")

    def signed_in(self, result: Reading | errors.PortalError) -> None:
        """Count a sign-in by the page that it led to, or by its error."""
        if isinstance(result, Reading):
            if result.view is not View.REFUSED:
                return self._sign_ins.labels("ok").inc()
            result = failed_sign_in(result.text)
        name = next((name for kind, name in _SIGN_INS.items() if isinstance(result, kind)), "failed")
        return self._sign_ins.labels(name).inc()
