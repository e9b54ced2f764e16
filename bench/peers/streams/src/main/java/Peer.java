// Bench peer: Kafka Streams with exactly-once. In: status callbacks as providers send them, keyed by call.
// Out: for each of them the call's state after it. What bench/bare/processor.ts does, with guarantees.

import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;

public final class Peer {
  /** Arguments: brokers, application id, topic in, topic out, state directory, session timeout in ms. */
  public static void main(String[] args) throws InterruptedException {
    var settings = new Properties();
    settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
    settings.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
    settings.put(StreamsConfig.STATE_DIR_CONFIG, args[4]);
    settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
    // Every record gives an output, as it does everywhere else in the comparison.
    settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.SESSION_TIMEOUT_MS_CONFIG), args[5]);
    settings.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");

    var text = Serdes.String();
    var builder = new StreamsBuilder();
    builder
        .stream(args[2], Consumed.with(text, text))
        .groupByKey()
        .aggregate(() -> "0", (call, body, state) -> fold(body, state), Materialized.with(text, text))
        .toStream()
        .mapValues((call, state) -> "{\"callSid\":\"" + call + "\",\"state\":\"" + state + "\"}")
        .to(args[3], Produced.with(text, text));

    var streams = new KafkaStreams(builder.build(), settings);
    var ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      streams.close();
      ended.countDown();
    }));
    streams.start();
    ended.await();
  }

  /** How many facts there were, and the status of the last. */
  private static String fold(String body, String state) {
    int space = state.indexOf(' ');
    int facts = Integer.parseInt(space < 0 ? state : state.substring(0, space)) + 1;
    int at = body.indexOf("CallStatus=") + "CallStatus=".length();
    int end = body.indexOf('&', at);
    return facts + " " + body.substring(at, end < 0 ? body.length() : end);
  }
}
