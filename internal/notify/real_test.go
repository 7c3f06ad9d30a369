package notify_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"facestream/internal/notify"
	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestRealStoreNotifies uploads to a store of another process and reads what the store tells a broker. A notification leads
// to exactly what was uploaded or to nothing, never to other content. MinIO notifies every upload. versitygw may overwrite
// a name before it has sent it, so one upload in two is enough there: ingest finds the others by listing.
func TestRealStoreNotifies(t *testing.T) {
	given, err := objectstest.Given()
	if err != nil {
		t.Fatal(err)
	}
	broker := os.Getenv("FACESTREAM_KAFKA")
	if given == nil || broker == "" {
		t.Skip("SKIPPED: it needs a store that notifies a broker; `make test-real` has them")
	}
	dialect, patience, least := notify.DialectVersity, 5*time.Second, len(oddKeys)
	if given.Kind == "minio" {
		dialect, patience, least = notify.DialectMinIO, 30*time.Second, 2*len(oddKeys)
	}
	store, err := objects.New(given.Config)
	if err != nil {
		t.Fatal(err)
	}
	prefix := fmt.Sprintf("notify-%x/", rand.Uint64())
	uploaded := map[schema.ObjectRef]string{}
	for round := range 2 { // the second are versions of the first
		for i, key := range oddKeys {
			content := fmt.Sprintf("content %d %d", round, i)
			ref, err := store.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: prefix + key}, []byte(content), "image/jpeg", nil)
			if err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			uploaded[ref] = content
		}
	}

	client := events.NewClient(events.Config{Brokers: strings.Split(broker, ",")})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	right, wrong := map[schema.ObjectRef]bool{}, 0
	client.ReadAll(ctx, events.Objects, nil, func(r events.Record) error {
		notifications, err := notify.Parse(r.Value)
		if err != nil {
			t.Errorf("%v: %s", err, r.Value)
		}
		for _, n := range notifications {
			if n.Ref.Bucket != "images" || !strings.HasPrefix(n.Ref.Key, prefix) {
				continue // of another test or run
			}
			if n.Dialect != dialect || !n.Created {
				t.Errorf("dialect %q, created %t: %s", n.Dialect, n.Created, r.Value)
			}
			data, resolved, err := store.Get(t.Context(), n.Ref, 1<<10)
			switch {
			case err == nil && uploaded[resolved] == string(data):
				right[resolved] = true
			case dialect == notify.DialectVersity && schema.ClassOf(err) == schema.ClassPermanent:
				wrong++
			default:
				t.Errorf("%q, %v for %s", data, err, r.Value)
			}
		}
		if len(right) == len(uploaded) {
			cancel()
		}
		return nil
	}, nil)
	t.Logf("%s: of %d uploads %d were notified; %d notifications name what is not there", given.Kind, len(uploaded), len(right), wrong)
	if len(right) < least {
		t.Errorf("at least %d should have been", least)
	}
}
