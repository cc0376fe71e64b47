import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.NullNode;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Java's Jackson. Argument: tree (what readTree makes of a body), decimal (the same with numbers kept as decimals), or struct
 * (an MCP message decoded into classes without regard to the case of names, as some frameworks are set up).
 *
 * <p>src/parser.rs says what is read and written, src/canonical.rs and src/operation.rs what the canonical forms are.
 */
public final class Driver {
    /** What a server declares. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Message {
        public String jsonrpc;
        public JsonNode id;
        public String method;
        public Params params;
        public JsonNode result;
        public JsonNode error;
    }

    /** Of it, the parameters. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Params {
        public String name;
        public String uri;
        public JsonNode arguments;
    }

    private final String mode;
    private final ObjectMapper mapper;
    private final ByteArrayOutputStream form = new ByteArrayOutputStream();

    private Driver(String mode) {
        this.mode = mode;
        this.mapper = JsonMapper.builder()
            // By default what stands behind the value is not even looked at.
            .configure(DeserializationFeature.FAIL_ON_TRAILING_TOKENS, true)
            .configure(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS, mode.equals("decimal"))
            .configure(MapperFeature.ACCEPT_CASE_INSENSITIVE_PROPERTIES, mode.equals("struct"))
            .build();
    }

    public static void main(String[] arguments) throws Exception {
        Driver driver = new Driver(arguments[0]);
        boolean show = arguments[arguments.length - 1].equals("show");
        DataInputStream in = new DataInputStream(new BufferedInputStream(System.in, 1 << 20));
        PrintStream out = new PrintStream(new BufferedOutputStream(System.out, 1 << 20), false, UTF_8);
        out.printf("Java %s Jackson %s, %s%n", System.getProperty("java.version"), driver.mapper.version(), arguments[0]);
        out.flush();
        while (true) {
            int count;
            try {
                count = in.readInt();
            } catch (EOFException end) {
                return;
            }
            for (; count > 0; count--) {
                out.println(driver.answer(in.readNBytes(in.readInt()), show));
            }
            out.flush();
        }
    }

    private String answer(byte[] body, boolean show) throws Exception {
        form.reset();
        try {
            if (mode.equals("struct")) {
                operation(mapper.readValue(body, Message.class));
            } else {
                value(mapper.readTree(body));
            }
        } catch (java.io.IOException | ArithmeticException | NumberFormatException why) {
            String text = why.getMessage().lines().findFirst().orElse("").replaceAll("[^ -~]", "?");
            return "- " + text.substring(0, Math.min(78, text.length()));
        }
        byte[] bytes = form.toByteArray();
        return HexFormat.of().formatHex(show ? bytes : MessageDigest.getInstance("SHA-256").digest(bytes));
    }

    private void operation(Message message) {
        Params params = message.params == null ? new Params() : message.params;
        String method = orEmpty(message.method);
        string(method);
        switch (method) {
            case "tools/call", "prompts/get" -> {
                string(orEmpty(params.name));
                value(params.arguments == null ? NullNode.instance : params.arguments);
            }
            case "resources/read", "resources/subscribe", "resources/unsubscribe" -> string(orEmpty(params.uri));
            default -> { }
        }
    }

    private static String orEmpty(String text) {
        return text == null ? "" : text;
    }

    private void value(JsonNode node) {
        if (node.isNull()) {
            put("n");
        } else if (node.isBoolean()) {
            put(node.booleanValue() ? "t" : "f");
        } else if (node.isNumber()) {
            number(node);
        } else if (node.isTextual()) {
            string(node.textValue());
        } else if (node.isArray()) {
            put("a" + node.size() + ":");
            node.forEach(this::value);
        } else if (node.isObject()) {
            List<String> keys = new ArrayList<>();
            node.fieldNames().forEachRemaining(keys::add);
            // Strings sort by their UTF-16; the form asks for the order of their UTF-8.
            keys.sort((a, b) -> Arrays.compareUnsigned(a.getBytes(UTF_8), b.getBytes(UTF_8)));
            put("o" + keys.size() + ":");
            for (String key : keys) {
                string(key);
                value(node.get(key));
            }
        } else {
            put("?");
        }
    }

    private void number(JsonNode node) {
        double nearest = node.doubleValue();
        if (node.isIntegralNumber()) {
            BigInteger integer = node.bigIntegerValue();
            if (Double.isInfinite(nearest) || new BigDecimal(nearest).compareTo(new BigDecimal(integer)) != 0) {
                put("i" + integer);
                return;
            }
        }
        put(String.format("d%016x", Double.doubleToRawLongBits(nearest)));
    }

    private void string(String text) {
        byte[] bytes = text.getBytes(UTF_8);
        put("s" + bytes.length + ":");
        form.writeBytes(bytes);
    }

    private void put(String text) {
        form.writeBytes(text.getBytes(US_ASCII));
    }
}
