package events

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// librdkafkaProducer writes the lines "key:value" of its input, with the partitioner that examples/python recommends.
const librdkafkaProducer = `
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": sys.argv[1], "partitioner": "murmur2_random"})
for line in sys.stdin.buffer.read().splitlines():
    key, value = line.split(b":", 1)
    producer.produce(sys.argv[2], key=key, value=value)
sys.exit(producer.flush(30))
`

// A key goes to the same partition whoever writes it, so that order by key (invariant 4) holds across clients. Java's own
// console producer and librdkafka write to a real broker, and we do.
func TestPartitionsOfOtherClients(t *testing.T) {
	addrs := os.Getenv("FACESTREAM_KAFKA")
	if addrs == "" {
		t.Skip("SKIPPED: it needs a real broker (FACESTREAM_KAFKA); `make test-real` has one")
	}
	for _, c := range []struct {
		name  string
		build func(ctx context.Context, topic Topic) (command *exec.Cmd, whyNot string)
	}{
		{"Java", func(ctx context.Context, topic Topic) (*exec.Cmd, string) {
			jars, _ := filepath.Glob(filepath.Join(os.Getenv("KAFKA_DIR"), "jars-*"))
			if len(jars) == 0 {
				return nil, "no jars of Kafka; KAFKA_DIR names the folder of tools/kafka/up.sh"
			}
			return exec.CommandContext(ctx, "java", "-cp", filepath.Join(jars[0], "*"), "kafka.tools.ConsoleProducer",
				"--bootstrap-server", addrs, "--topic", string(topic), "--property", "parse.key=true", "--property", "key.separator=:"), ""
		}},
		{"librdkafka", func(ctx context.Context, topic Topic) (*exec.Cmd, string) {
			if err := exec.CommandContext(ctx, "python3", "-c", "import confluent_kafka").Run(); err != nil {
				return nil, "python3 has no confluent_kafka; pip install -r examples/python/requirements.txt"
			}
			return exec.CommandContext(ctx, "python3", "-c", librdkafkaProducer, addrs, string(topic)), ""
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, client, topic := setup(t, newBroker(t), 7)
			command, whyNot := c.build(ctx, topic)
			if whyNot != "" {
				t.Skip("SKIPPED: " + whyNot)
			}
			const n = 300
			var theirs bytes.Buffer
			var ours []Event
			for i := range n {
				key := fmt.Sprintf("%dü%s", i, strings.Repeat("k", i%5)) // lengths that murmur2 treats differently
				fmt.Fprintf(&theirs, "%s:theirs\n", key)
				ours = append(ours, Event{ID: key, Type: TypeJob, Key: key, Data: []byte("ours")})
			}
			command.Stdin = &theirs
			if out, err := command.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if err := publisher(t, client).Publish(ctx, topic, ours...); err != nil {
				t.Fatal(err)
			}
			at := map[string]map[string]int{"ours": {}, "theirs": {}} // by who wrote, by key
			used := map[int]bool{}
			for _, r := range values(t, ctx, client, topic) {
				at[string(r.Value)][string(r.Key)] = r.Partition
				used[r.Partition] = true
			}
			if len(at["ours"]) != n || len(at["theirs"]) != n || len(used) != 7 {
				t.Fatalf("read %d keys of ours and %d of theirs in %d partitions, want %d, %d, 7", len(at["ours"]), len(at["theirs"]), len(used), n, n)
			}
			for key, partition := range at["theirs"] {
				if at["ours"][key] != partition {
					t.Errorf("key %s: theirs is in partition %d, ours in %d", key, partition, at["ours"][key])
				}
			}
		})
	}
}
