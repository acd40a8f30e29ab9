"""The metrics of the portal and its Chromes, counted from the monitors' threads."""

from core.metrics import LONG, Metrics
from portal import errors

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
        ready = "Time from a load of the portal's page until the page was ready."
        self.load_seconds = declare.histogram("portal_load_seconds", ready, LONG)
        results = ("ok", *_SIGN_INS.values(), "failed")
        sign_ins = "Sign-ins at the portal, trials of passwords included."
        self._sign_ins = declare.counter("portal_sign_ins", sign_ins, result=results)
        starts = "Starts of a Chrome with its driver."
        self.chrome_starts = declare.counter("chrome_starts", starts, result=("ok", "failed"))
        self.chrome_deaths = declare.counter("chrome_deaths", "Chromes that ended or hung while a monitor used them.")

    def signed_in(self, error: errors.PortalError | None) -> None:
        """Count a sign-in; ``error``: None if it has succeeded."""
        name = next((name for kind, name in _SIGN_INS.items() if isinstance(error, kind)), "failed")
        self._sign_ins.labels(name if error is not None else "ok").inc()
