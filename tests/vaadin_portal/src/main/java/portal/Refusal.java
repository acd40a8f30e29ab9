package portal;

/** A wrong request to the control API; the message says what is wrong. */
final class Refusal extends RuntimeException {
    final int status;

    private Refusal(int status, String message) {
        super(message);
        this.status = status;
    }

    static Refusal badRequest(String message) {
        return new Refusal(400, message);
    }

    static Refusal notFound(String message) {
        return new Refusal(404, message);
    }
}
