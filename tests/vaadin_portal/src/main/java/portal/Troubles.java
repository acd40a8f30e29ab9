package portal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;

/** Holds the portal's behaviour, and holds requests back for as long as it says so. */
final class Troubles {
    private Behaviour behaviour = new Behaviour();

    synchronized JsonNode now() {
        return Json.MAPPER.valueToTree(behaviour);
    }

    synchronized boolean has(Predicate<Behaviour> trouble) {
        return trouble.test(behaviour);
    }

    synchronized Integer status() {
        return behaviour.status;
    }

    /** Changes what {@code wanted} names; a wrong name or value changes nothing. */
    synchronized JsonNode change(JsonNode wanted) throws IOException {
        try {
            Behaviour changed = Json.MAPPER.treeToValue(now(), Behaviour.class);
            Json.MAPPER.readerForUpdating(changed).readValue(wanted);
            changed.check();
            behaviour = changed;
        } catch (JsonProcessingException wrong) {
            throw Refusal.badRequest(wrong.getOriginalMessage());
        }
        notifyAll();
        return now();
    }

    synchronized void reset() {
        behaviour = new Behaviour();
        notifyAll();
    }

    synchronized boolean takeSwallowedClick() {
        return behaviour.swallowClicks > 0 && behaviour.swallowClicks-- > 0;
    }

    synchronized boolean takeExpiryOnClick() {
        return behaviour.expireOnClick > 0 && behaviour.expireOnClick-- > 0;
    }

    synchronized boolean takeExpiryAfterMark() {
        return behaviour.expireAfterMark > 0 && behaviour.expireAfterMark-- > 0;
    }

    /** Returns when the request has waited as long as the behaviour, changed meanwhile or not, wants it to. */
    void holdWhileSlow() throws InterruptedException {
        holdFor(current -> current.slowMs);
    }

    /** Returns when pages may become ready again. */
    void holdWhileStuck() throws InterruptedException {
        holdFor(current -> current.stuckLoading ? Integer.MAX_VALUE : 0);
    }

    private synchronized void holdFor(ToIntFunction<Behaviour> milliseconds) throws InterruptedException {
        long start = System.nanoTime();
        long left;
        while ((left = milliseconds.applyAsInt(behaviour) - (System.nanoTime() - start) / 1_000_000) > 0) {
            wait(left);
        }
    }
}
