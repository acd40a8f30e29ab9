package portal;

import com.fasterxml.jackson.annotation.JsonAutoDetect;

/** How the portal misbehaves now: the control API's own names, in snake case, and their values. */
@JsonAutoDetect(fieldVisibility = JsonAutoDetect.Visibility.NON_PRIVATE)
final class Behaviour {
    /** Every page load and every round trip takes that much longer. */
    int slowMs;
    /** So many clicks on a mark button are answered without any change. */
    int swallowClicks;
    /** So many clicks on a mark button find the session gone, and make no mark. */
    int expireOnClick;
    /** So many clicks make their mark, and find the session gone before the answer. */
    int expireAfterMark;
    /** What every page load answers with, null for the page. */
    Integer status;
    /** The bootstrap script can't be loaded. */
    boolean bootstrapFailure;
    /** The page never gets its application's state. */
    boolean stuckLoading;
    /** Round trips are answered with something that is no answer: the client gives up at once. */
    boolean communicationProblem;
    /** Round trips are answered as if the student were not signed in to something before the portal. */
    boolean authenticationProblem;
    /** Round trips are cut without an answer and not done: the client tries again and again. */
    boolean connectionLost;
    /** After the sign-in comes something that is neither lessons nor the empty label. */
    boolean unknownView;
    /** A click on the mark button asks first. */
    boolean confirmDialog;
    /** The real combo box does this of its own accord; kept so that both simulators take the same settings. */
    boolean blankUsername = true;
    /** Pages loaded from now on keep a line to the server. */
    boolean push;

    /** Refuses what no portal could do. */
    void check() {
        if (Math.min(Math.min(slowMs, swallowClicks), Math.min(expireOnClick, expireAfterMark)) < 0) {
            throw Refusal.badRequest("a number must be zero or more");
        }
        if (status != null && (status < 400 || status > 599)) {
            throw Refusal.badRequest("status must be an HTTP error status such as 503, or null");
        }
    }
}
