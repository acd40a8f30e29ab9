package portal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.function.Predicate;
import java.util.function.ToIntFunction;

/** The portal's current behaviour, and the delays of requests by it. */
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

    /** Changes the named values; a wrong name or value changes nothing. */
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

    /** Waits for the behaviour's delay, also if it is changed meanwhile. */
    void holdWhileSlow() throws InterruptedException {
        holdFor(current -> current.slowMs);
    }

    /** Waits while pages are stuck. */
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
