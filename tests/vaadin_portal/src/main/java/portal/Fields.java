package portal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.util.Iterator;
import java.util.LinkedHashSet;
import java.util.Set;
import javax.servlet.http.HttpServletRequest;

/** The JSON object of a control request; an empty body is an empty object. */
final class Fields {
    private final JsonNode object;

    private Fields(JsonNode object) {
        this.object = object;
    }

    /** Refuses names other than the {@code known} ones, which are likely typos. */
    static Fields of(HttpServletRequest request, Set<String> known) throws IOException {
        JsonNode body = body(request);
        for (Iterator<String> names = body.fieldNames(); names.hasNext(); ) {
            String name = names.next();
            if (!known.contains(name)) {
                throw Refusal.badRequest("unknown field: " + name);
            }
        }
        return new Fields(body);
    }

    static JsonNode body(HttpServletRequest request) throws IOException {
        byte[] bytes = request.getInputStream().readAllBytes();
        if (bytes.length == 0) {
            return Json.MAPPER.createObjectNode();
        }
        JsonNode body;
        try {
            body = Json.MAPPER.readTree(bytes);
        } catch (JsonProcessingException wrong) {
            throw Refusal.badRequest("the body is not JSON: " + wrong.getOriginalMessage());
        }
        if (!body.isObject()) {
            throw Refusal.badRequest("the body must be a JSON object");
        }
        return body;
    }

    boolean has(String name) {
        return object.has(name);
    }

    String text(String name) {
        String text = text(name, null);
        if (text == null) {
            throw Refusal.badRequest(name + " is missing");
        }
        return text;
    }

    String text(String name, String otherwise) {
        if (!object.hasNonNull(name)) {
            return otherwise;
        }
        if (!object.get(name).isTextual()) {
            throw Refusal.badRequest(name + " must be a text");
        }
        return object.get(name).textValue();
    }

    int number(String name, int otherwise) {
        if (!object.hasNonNull(name)) {
            return otherwise;
        }
        if (!object.get(name).isInt()) {
            throw Refusal.badRequest(name + " must be a whole number");
        }
        return object.get(name).intValue();
    }

    boolean flag(String name) {
        if (object.hasNonNull(name) && !object.get(name).isBoolean()) {
            throw Refusal.badRequest(name + " must be true or false");
        }
        return object.path(name).asBoolean();
    }

    /** Null if it is not given. */
    Set<String> texts(String name) {
        if (!object.hasNonNull(name)) {
            return null;
        }
        Set<String> texts = new LinkedHashSet<>();
        for (JsonNode one : object.get(name)) {
            texts.add(one.textValue());
        }
        if (!object.get(name).isArray() || texts.contains(null)) {
            throw Refusal.badRequest(name + " must be a list of texts");
        }
        return texts;
    }
}
