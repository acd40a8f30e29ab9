package portal;

import com.fasterxml.jackson.annotation.JsonAutoDetect;

/** The portal's faults and options, with the control API's names in snake case. */
@JsonAutoDetect(fieldVisibility = JsonAutoDetect.Visibility.NON_PRIVATE)
final class Behaviour {
    /** Delay of every page load and round trip. */
    int slowMs;
    /** The next clicks on a mark button have no effect. */
    int swallowClicks;
    /** The session expires just before the next clicks on a mark button. */
    int expireOnClick;
    /** The next marks are made, then the session expires before the answer. */
    int expireAfterMark;
    /** HTTP status of every page load, null for the page. */
    Integer status;
    /** The bootstrap script can't be loaded. */
    boolean bootstrapFailure;
    /** Pages do not get their first state until this is reset. */
    boolean stuckLoading;
    /** Round trips get an invalid answer, so the client gives up at once. */
    boolean communicationProblem;
    /** Round trips are answered with 401. */
    boolean authenticationProblem;
    /** Round trips are cut and not executed, so the client retries. */
    boolean connectionLost;
    /** The page after signing in has neither lessons nor the label that there are none. */
    boolean unknownView;
    /** A click on the mark button opens a confirmation dialog. */
    boolean confirmDialog;
    /** Always the case with the real combo box; kept so that both portals accept the same settings. */
    boolean blankUsername = true;
    /** Pages loaded from now on have push. */
    boolean push;

    /** Refuses invalid values. */
    void check() {
        if (Math.min(Math.min(slowMs, swallowClicks), Math.min(expireOnClick, expireAfterMark)) < 0) {
            throw Refusal.badRequest("a number must be zero or more");
        }
        if (status != null && (status < 400 || status > 599)) {
            throw Refusal.badRequest("status must be an HTTP error status such as 503, or null");
        }
    }
}
