import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.snowflake.kafka.connector.SnowflakeSinkConnectorConfig.BehaviorOnNullValues;
import com.snowflake.kafka.connector.Utils;
import com.snowflake.kafka.connector.internal.SnowflakeConnectionService;
import com.snowflake.kafka.connector.internal.SnowflakeSinkService;
import com.snowflake.kafka.connector.internal.SnowflakeSinkServiceFactory;
import com.snowflake.kafka.connector.internal.streaming.IngestionMethodConfig;
import com.snowflake.kafka.connector.internal.streaming.StreamingClientHandler;
import com.snowflake.kafka.connector.internal.streaming.StreamingClientProvider;
import com.snowflake.kafka.connector.internal.telemetry.SnowflakeTelemetryService;
import com.snowflake.kafka.connector.records.SnowflakeMetadataConfig;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import net.snowflake.client.jdbc.internal.fasterxml.jackson.databind.node.ObjectNode;
import net.snowflake.ingest.streaming.InsertValidationResponse;
import net.snowflake.ingest.streaming.OpenChannelRequest;
import net.snowflake.ingest.streaming.SnowflakeStreamingIngestChannel;
import net.snowflake.ingest.streaming.SnowflakeStreamingIngestClient;
import net.snowflake.ingest.utils.SFException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.header.ConnectHeaders;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTaskContext;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * Runs Snowflake's sink from Kafka's bytes up to its calls of the streaming API, which a double answers.
 *
 * <p>Standard input: the connector's config as one line of JSON, then a record a line. Standard output: a line for each
 * row that the channel of a table was given, with the values as the API's own validation passes them on, or for each
 * record that was reported to the dead letter queue.
 */
public class SnowflakeSink {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

  public static void main(String[] arguments) throws Exception {
    System.setOut(System.err); // what libraries print is no answer
    JSON.getFactory().setStreamReadConstraints(StreamReadConstraints.builder().maxStringLength(64_000_000).build());
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    Map<String, String> config = new HashMap<>();
    JSON.readTree(in.readLine()).fields().forEachRemaining(e -> config.put(e.getKey(), e.getValue().asText()));
    JsonConverter keys = converter(config, "key.converter.", true);
    JsonConverter values = converter(config, "value.converter.", false);
    List<SinkRecord> records = new ArrayList<>();
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      records.add(record(JSON.readTree(line), keys, values));
    }
    SnowflakeSinkService service = service(config);
    service.startPartitions(
        records.stream().map(r -> new TopicPartition(r.topic(), r.kafkaPartition())).distinct().toList(),
        Utils.parseTopicToTableMap(config.get("snowflake.topic2table.map")));
    service.insert(records);
    Thread.sleep(1000L * (Long.parseLong(config.get("buffer.flush.time")) + 1));
    service.insert(List.of()); // as each poll of Kafka does: what waited longer than its time is sent
    System.exit(0);
  }

  /** The service that a task of the connector makes of its config. */
  private static SnowflakeSinkService service(Map<String, String> config) {
    StreamingClientProvider.overrideStreamingClientHandler(
        answering(
            StreamingClientHandler.class,
            (self, method, given) -> method.getName().equals("createClient") ? client() : null));
    return SnowflakeSinkServiceFactory.builder(
            answering(SnowflakeConnectionService.class, SnowflakeSink::account),
            IngestionMethodConfig.determineIngestionMethod(config),
            config)
        .setFileSize(Long.parseLong(config.get("buffer.size.bytes")))
        .setRecordNumber(Long.parseLong(config.get("buffer.count.records")))
        .setFlushTime(Long.parseLong(config.get("buffer.flush.time")))
        .setTopic2TableMap(Utils.parseTopicToTableMap(config.get("snowflake.topic2table.map")))
        .setMetadataConfig(new SnowflakeMetadataConfig(config))
        .setBehaviorOnNullValuesConfig(
            BehaviorOnNullValues.valueOf(config.get("behavior.on.null.values").toUpperCase()))
        .setCustomJMXMetrics(false)
        .setErrorReporter(
            (record, error) -> print(Map.of("dead_letter", place(record), "reason", String.valueOf(error))))
        .setSinkTaskContext(answering(SinkTaskContext.class, SnowflakeSink::nothing))
        .build();
  }

  // --- Kafka Connect's part: bytes to records -------------------------------------------------------------------

  private static JsonConverter converter(Map<String, String> config, String prefix, boolean isKey) {
    JsonConverter converter = new JsonConverter();
    Map<String, String> own = new HashMap<>();
    config.forEach((name, value) -> { if (name.startsWith(prefix)) own.put(name.substring(prefix.length()), value); });
    converter.configure(own, isKey);
    return converter;
  }

  private static SinkRecord record(JsonNode given, JsonConverter keys, JsonConverter values) {
    String topic = given.get("topic").asText();
    SchemaAndValue key = keys.toConnectData(topic, new RecordHeaders(), bytes(given.get("key")));
    SchemaAndValue value = values.toConnectData(topic, new RecordHeaders(), bytes(given.get("value")));
    ConnectHeaders headers = new ConnectHeaders();
    for (JsonNode header : given.get("headers")) {
      String name = header.get(0).asText();
      headers.add(name, new SimpleHeaderConverter().toConnectHeader(topic, name, bytes(header.get(1))));
    }
    return new SinkRecord(
        topic, given.get("partition").asInt(), key.schema(), key.value(), value.schema(), value.value(),
        given.get("offset").asLong(), given.get("timestamp").asLong(), TimestampType.CREATE_TIME, headers);
  }

  private static byte[] bytes(JsonNode text) {
    return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
  }

  // --- the double of the account ---------------------------------------------------------------------------------

  @SuppressWarnings("unchecked")
  private static <T> T answering(Class<T> type, InvocationHandler answers) {
    return (T) Proxy.newProxyInstance(SnowflakeSink.class.getClassLoader(), new Class<?>[] {type}, answers);
  }

  /** A table is there, with the connector's columns; nobody listens to telemetry. */
  private static Object account(Object self, Method method, Object[] given) {
    return switch (method.getName()) {
      case "tableExist", "isTableCompatible" -> true;
      case "getConnectorName" -> "application";
      case "getTelemetryClient" -> new Unheard();
      default -> nothing(self, method, given);
    };
  }

  private static class Unheard extends SnowflakeTelemetryService {
    @Override
    public ObjectNode getObjectNode() {
      return new net.snowflake.client.jdbc.internal.fasterxml.jackson.databind.ObjectMapper().createObjectNode();
    }

    @Override
    protected void send(
        TelemetryType type, net.snowflake.client.jdbc.internal.fasterxml.jackson.databind.JsonNode node) {}
  }

  private static SnowflakeStreamingIngestClient client() {
    return answering(
        SnowflakeStreamingIngestClient.class,
        (self, method, given) ->
            method.getName().equals("openChannel")
                ? channel(((OpenChannelRequest) given[0]).getTableName())
                : nothing(self, method, given));
  }

  private static SnowflakeStreamingIngestChannel channel(String table) {
    return answering(SnowflakeStreamingIngestChannel.class, (s, method, given) -> insert(table, s, method, given));
  }

  private static Object insert(String table, Object self, Method method, Object[] given) throws Exception {
    switch (method.getName()) {
      case "insertRow":
        return inserted(table, List.of(given[0]));
      case "insertRows":
        return inserted(table, (Iterable<?>) given[0]);
      case "isValid":
        return true;
      default:
        return nothing(self, method, given);
    }
  }

  /** What the API answers: the rows that its own validation refuses, the others are taken. */
  private static InsertValidationResponse inserted(String table, Iterable<?> rows) throws Exception {
    InsertValidationResponse answer = new InsertValidationResponse();
    int number = 0;
    for (Object row : rows) {
      try {
        row(table, (Map<?, ?>) row);
      } catch (InvocationTargetException refused) {
        InsertValidationResponse.InsertError error = new InsertValidationResponse.InsertError(row, number);
        error.setException((SFException) refused.getCause());
        answer.addError(error);
      }
      number++;
    }
    return answer;
  }

  private static Object nothing(Object self, Method method, Object[] given) {
    if (method.getReturnType() == boolean.class) return false;
    if (method.getReturnType() == Optional.class) return Optional.empty();
    return method.getReturnType() == Set.class ? Set.of() : null;
  }

  /** A row's values as JSON text, by what the streaming API itself does to a value for a VARIANT. */
  private static void row(String table, Map<?, ?> row) throws Exception {
    Method parse =
        Class.forName("net.snowflake.ingest.streaming.internal.DataValidationUtil")
            .getDeclaredMethod("validateAndParseVariant", String.class, Object.class, long.class);
    parse.setAccessible(true);
    Map<String, Object> columns = new LinkedHashMap<>();
    for (Map.Entry<?, ?> value : row.entrySet()) {
      columns.put(value.getKey().toString(), parse.invoke(null, value.getKey(), value.getValue(), 0L));
    }
    print(Map.of("table", table, "columns", columns));
  }

  private static List<Object> place(SinkRecord record) {
    return List.of(record.topic(), record.kafkaPartition(), record.kafkaOffset());
  }

  private static void print(Map<String, ?> line) {
    try {
      OUT.println(JSON.writeValueAsString(line));
    } catch (java.io.IOException error) {
      throw new IllegalStateException(error);
    }
  }
}
