package embedded

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/internal/dbfault/smalldisk"
	"facestream/pkg/schema"
)

// TestFullDisk: while their disk is full, the broker and the store refuse what does not fit, and nothing that they
// acknowledged is lost or changed by it, also not after a restart.
func TestFullDisk(t *testing.T) {
	disk := smalldisk.New(t, 8<<20)
	o := options(t, filepath.Join(disk.Dir, "data"))
	s := open(t, o)
	store := storeOf(t, s.S3Addr())
	ref := put(t, store, "before", "before")
	var acknowledged []string
	send := func(value string) error {
		err := produce(t.Context(), s.KafkaAddr(), value)
		if err == nil {
			acknowledged = append(acknowledged, value)
		}
		return err
	}
	if err := send("before"); err != nil {
		t.Fatal(err)
	}
	disk.Fill()
	for i, size := range []int{10, 5000, 100000, 5000} {
		data := strings.Repeat("x", size)
		for _, key := range []string{fmt.Sprint("full", i), fmt.Sprint("a/b/full", i)} {
			_, err := store.Put(t.Context(), schema.ObjectRef{Bucket: "images", Key: key}, []byte(data), "image/jpeg", map[string]string{"note": "x"})
			if schema.ClassOf(err) != schema.ClassOutage {
				t.Errorf("an upload of %d bytes: %v, want an outage", size, err)
			}
		}
		// A small record may find room in the last block of the file.
		if err := send(fmt.Sprint(i, data)); err == nil && size > 4096 {
			t.Errorf("a record of %d bytes was acknowledged", size)
		}
	}
	disk.Free()
	if err := send("afterwards"); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"afterwards", "after a restart"} {
		got := slices.DeleteFunc(records(t, s.KafkaAddr()), func(v string) bool { return strings.HasPrefix(v, "{") }) // notifications
		if !slices.Equal(got, acknowledged) {
			t.Errorf("%s the topic has %d records, of which %d were acknowledged", when, len(got), len(acknowledged))
		}
		wantContent(t, storeOf(t, s.S3Addr()), ref, "before")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, o)
	}
}
