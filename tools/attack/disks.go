package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const disk = "the disk"

// disks are damages of files, and disks that are full.
func disks() []attack {
	return []attack{
		{name: "flipped-bit-in-a-vector", actor: disk, tried: "one bit of an enrolled vector, which makes it huge", alone: damaged(flippedVector)},
		{name: "exchanged-vectors", actor: disk, tried: "the vectors of two people exchanged in the gallery's file", alone: damaged(exchangedVectors)},
		{name: "empty-gallery", actor: disk, tried: "a gallery.db of 0 bytes", alone: damaged(emptyGallery)},
		{name: "missing-gallery", actor: disk, tried: "a folder whose gallery.db is gone", alone: damaged(missingGallery)},
		{name: "noise-in-the-gallery", actor: disk, tried: "a page of noise in gallery.db", alone: damaged(noiseInGallery)},
		{name: "noise-in-the-wal", actor: disk, tried: "noise as the gallery's write-ahead log", alone: noiseInWAL},
		{name: "flipped-byte-in-the-broker", actor: disk, tried: "a byte in the first third of each segment of the results", alone: damaged(flippedSegment)},
		{name: "noise-in-the-ledger", actor: disk, tried: "a ledger of noise", alone: noiseInLedger},
		{name: "exchanged-picture", actor: disk, tried: "the bytes of an enrolled picture exchanged in the store's folder", alone: exchangedPicture},
		{name: "empty-challenge-key", actor: disk, tried: "a challenge.key of 0 bytes", alone: emptyKey},
		{name: "full-disk-of-the-gallery", actor: disk, tried: "no room for the gallery while people are enrolled and deleted", alone: fullGallery},
		{name: "full-disk-of-ingest", actor: disk, tried: "no room for the ledger while requests come", alone: fullLedger},
		{name: "locked-gallery", actor: disk, tried: "a reader that holds gallery.db for 20 s while a person is deleted", alone: lockedGallery},
	}
}

// damaged tries a damage after which facestream must not start.
func damaged(damage func(dir string) ([]string, error)) func(context.Context, *lab) (string, error) {
	return func(ctx context.Context, l *lab) (string, error) {
		dir, err := l.seeded()
		if err != nil {
			return "", err
		}
		words, err := damage(dir)
		if err != nil {
			return "", fmt.Errorf("the damage failed: %w", err)
		}
		return l.refusesFolder(ctx, dir, words...)
	}
}

func flippedVector(dir string) ([]string, error) {
	gallery, _ := databases(dir)
	db, err := sqliteFile(gallery)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var row int64
	var vector []byte
	if err := db.QueryRow("SELECT rowid, vector FROM faces LIMIT 1").Scan(&row, &vector); err != nil {
		return nil, err
	}
	vector[3] ^= 0x40 // the exponent of the first number
	_, err = db.Exec("UPDATE faces SET vector = ? WHERE rowid = ?", vector, row)
	return []string{"gallery"}, err
}

func exchangedVectors(dir string) ([]string, error) {
	gallery, _ := databases(dir)
	db, err := sqliteFile(gallery)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	_, err = db.Exec("UPDATE faces SET vector = (SELECT o.vector FROM faces o WHERE o.rowid <> faces.rowid LIMIT 1)")
	return []string{"gallery"}, err
}

func emptyGallery(dir string) ([]string, error) {
	gallery, _ := databases(dir)
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(gallery + suffix)
	}
	return []string{"gallery"}, os.Truncate(gallery, 0)
}

func missingGallery(dir string) ([]string, error) {
	gallery, _ := databases(dir)
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(gallery + suffix)
	}
	return []string{"gallery"}, os.Remove(gallery)
}

// overwrite puts noise into a file at a share of its size.
func overwrite(path string, share float64, n int) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	noise := make([]byte, n)
	rand.Read(noise)
	_, err = f.WriteAt(noise, int64(share*float64(info.Size()))&^4095)
	return errors.Join(err, f.Close())
}

func noiseInGallery(dir string) ([]string, error) {
	gallery, _ := databases(dir)
	return []string{"gallery"}, overwrite(gallery, 0.5, 4096)
}

func noiseInWAL(ctx context.Context, l *lab) (string, error) {
	dir, err := l.seeded()
	if err != nil {
		return "", err
	}
	gallery, _ := databases(dir)
	noise := make([]byte, 32+10*(24+4096))
	rand.Read(noise)
	copy(noise, "\x37\x7f\x06\x82\x00\x2d\xe2\x18\x00\x00\x10\x00") // the header of a log with pages of 4096 bytes
	if err := os.WriteFile(gallery+"-wal", noise, 0o600); err != nil {
		return "", err
	}
	f, err := l.start(ctx, setup{dir: dir})
	if err != nil {
		return "refused: " + strings.TrimSpace(err.Error()), nil
	}
	// Frames without a right checksum were never committed: SQLite leaves them out, and everybody is still there.
	for person, name := range []string{"alice", "bob"} {
		if found, err := f.matches(ctx, "seed", name, person, 1); err != nil || !found {
			return "", fmt.Errorf("it starts, and %s is not found (%v)", name, err)
		}
	}
	return "what was never committed is left out; everybody is found", nil
}

func flippedSegment(dir string) ([]string, error) {
	flipped := 0
	err := filepath.WalkDir(filepath.Join(dir, "kafka"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, string(events.Results)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil || len(content) < 400 || !bytes.Contains(content, []byte("ce_specversion")) {
			return err
		}
		content[len(content)/3] ^= 0x10
		flipped++
		return os.WriteFile(path, content, 0o600)
	})
	if err == nil && flipped == 0 {
		err = errors.New("no segment has a result")
	}
	return []string{"results"}, err
}

func noiseInLedger(ctx context.Context, l *lab) (string, error) {
	dir, err := l.seeded()
	if err != nil {
		return "", err
	}
	_, ledger := databases(dir)
	noise := make([]byte, 20_000)
	rand.Read(noise)
	if err := os.WriteFile(ledger, noise, 0o600); err != nil {
		return "", err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		os.Remove(ledger + suffix)
	}
	f, err := l.start(ctx, setup{dir: dir})
	if err != nil {
		if !strings.Contains(err.Error(), "ledger") {
			return "", fmt.Errorf("it does not start and does not name the ledger: %w", err)
		}
		return "refused: " + err.Error(), nil
	}
	if found, err := f.matches(ctx, "seed", "alice", 0, 1); err != nil || !found {
		return "", fmt.Errorf("it starts, and alice is not found (%v)", err)
	}
	return "built anew from the topics", nil
}

func exchangedPicture(ctx context.Context, l *lab) (string, error) {
	f, err := l.start(ctx, setup{})
	if err != nil {
		return "", err
	}
	ref, err := f.put(ctx, "loose/a.jpg", f.picture(0, 0), nil)
	if err != nil {
		return "", err
	}
	if err := f.enrolled(ctx, "exchanged", "alice", 0, 0); err != nil {
		return "", err
	}
	file := filepath.Join(f.dir, "s3", "objects", ref.Bucket, ref.Key)
	handle, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0) // keeps its attributes, and with them its ETag
	if err != nil {
		return "", err
	}
	_, err = handle.Write(f.picture(9, 0))
	if err := errors.Join(err, handle.Close()); err != nil {
		return "", err
	}
	r, err := f.call(ctx, schema.Request{Operation: schema.OpVerify, Collection: "exchanged", ExternalID: "alice", Images: []schema.ObjectRef{ref}})
	if err != nil {
		return "", err
	}
	if r.CallStatus.Reason != schema.ReasonImageUnreadable {
		return "", fmt.Errorf("a picture that is not what was uploaded is answered %q", r.CallStatus.Reason)
	}
	return "the store does not give it out; whoever makes its checksum anew is the uploader of everything in the folder", nil
}

func emptyKey(ctx context.Context, l *lab) (string, error) {
	dir, err := l.seeded()
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "challenge.key"), nil, 0o600); err != nil {
		return "", err
	}
	f, err := l.start(ctx, setup{dir: dir, env: []string{"FACESTREAM_WORKER_CHALLENGE_KEYS="}})
	if err != nil {
		return "refused: " + err.Error(), nil
	}
	r, err := f.call(ctx, schema.Request{Operation: schema.OpChallenge})
	if err == nil && r.CallStatus.Reason != schema.ReasonOperationUnavailable {
		err = fmt.Errorf("a challenge is answered %q", r.CallStatus.Reason)
	}
	return "no challenge is issued without a key", err
}

// small mounts a file system of some MiB at dir, and returns how to fill and to empty it.
func (l *lab) small(dir string, mib int) (fill, empty func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=0700", mib), "facestream-attack", dir).CombinedOutput(); err != nil {
		return nil, nil, notTried{"no file system can be mounted here: " + strings.TrimSpace(string(out))}
	}
	filler := filepath.Join(dir, "filler")
	fill = func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		defer f.Close()
		for block := make([]byte, 1<<20); len(block) > 1; { // down to the last bytes
			if _, err := f.Write(block); err != nil {
				block = block[:len(block)/2]
			}
		}
		return nil
	}
	return fill, func() error { return os.Remove(filler) }, nil
}

func unmount(dir string) { exec.Command("umount", "-l", dir).Run() }

func fullGallery(ctx context.Context, l *lab) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	gallery := filepath.Join(dir, "gallery")
	fill, empty, err := l.small(gallery, 8)
	if err != nil {
		return "", err
	}
	defer unmount(gallery)
	f, err := l.start(ctx, setup{dir: dir, apart: true})
	if err != nil {
		return "", err
	}
	defer f.stop()
	if err := f.enrolled(ctx, "full", "alice", 0, 0); err != nil {
		return "", err
	}
	images, err := f.face(ctx, 1, 0)
	if err != nil {
		return "", err
	}
	if err := fill(); err != nil {
		return "", err
	}
	var ids []schema.RequestID
	publisher := f.client.NewPublisher(events.PublisherConfig{Source: "attack"})
	defer publisher.Close()
	for i, r := range []schema.Request{{Operation: schema.OpEnroll, ExternalID: "bob", Images: images}, {Operation: schema.OpUserDelete, ExternalID: "alice"}} {
		r.ID, r.Collection = schema.RequestID(fmt.Sprintf("full-%d", i)), "full"
		if r.Operation == schema.OpEnroll {
			r.Config = []byte(`{"anti_spoofing_mode":0,"face_validations_off":true}`)
		}
		ids = append(ids, r.ID)
		if err := f.client.Submit(ctx, publisher, r); err != nil {
			return "", err
		}
	}
	time.Sleep(15 * time.Second) // longer than all tries of a record take
	said := f.part("indexer").health(ctx)
	if err := empty(); err != nil {
		return "", err
	}
	return f.afterTheOutage(ctx, ids, said)
}

// afterTheOutage says whether all requests are answered now, none became a dead letter, and readiness had fallen.
func (f *facestream) afterTheOutage(ctx context.Context, ids []schema.RequestID, health int) (string, error) {
	for _, id := range ids {
		r, err := f.await(ctx, id)
		if err == nil && r.CallStatus.Reason != "" {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			contents, dead, _ := f.outcomes(ctx, map[schema.RequestID]bool{id: true})
			return "", fmt.Errorf("%s: %w; results %d, dead letters %d; /readyz said %d meanwhile", id, err, len(contents[id]), dead[id], health)
		}
	}
	if health == http.StatusOK {
		return "", errors.New("nothing is lost, but /readyz said that all is well")
	}
	return fmt.Sprintf("/readyz said %d meanwhile; both requests are answered afterwards", health), nil
}

func fullLedger(ctx context.Context, l *lab) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "ingest")
	fill, empty, err := l.small(own, 4)
	if err != nil {
		return "", err
	}
	defer unmount(own)
	f, err := l.start(ctx, setup{dir: dir, apart: true})
	if err != nil {
		return "", err
	}
	defer f.stop()
	// An ingest whose folder is the small disk takes the place of the other.
	f.part("ingest").halt()
	f.parts = slices.DeleteFunc(f.parts, func(p *process) bool { return p.name == "ingest" })
	f.env = append(f.env, "FACESTREAM_DATA_DIR="+own)
	if err := f.run(ctx, "ingest"); err != nil {
		return "", err
	}
	if err := f.ready(ctx); err != nil {
		return "", err
	}
	if err := fill(); err != nil {
		return "", err
	}
	var ids []schema.RequestID
	image, err := f.face(ctx, 0, 0)
	if err != nil {
		return "", err
	}
	for i := range 30 {
		id := schema.RequestID(fmt.Sprintf("ledger-%d", i))
		ids = append(ids, id)
		if err := f.raw(ctx, events.Requests, string(id), fmt.Sprintf(`{"id":%q,"operation":"validate","images":[{"bucket":%q,"key":%q}],"config":{"anti_spoofing_mode":0,"face_validations_off":true}}`, id, image[0].Bucket, image[0].Key)); err != nil {
			return "", err
		}
	}
	time.Sleep(15 * time.Second)
	said := f.part("ingest").health(ctx)
	if err := empty(); err != nil {
		return "", err
	}
	return f.afterTheOutage(ctx, ids, said)
}

func lockedGallery(ctx context.Context, l *lab) (string, error) {
	dir, err := l.seeded()
	if err != nil {
		return "", err
	}
	f, err := l.start(ctx, setup{dir: dir})
	if err != nil {
		return "", err
	}
	gallery, _ := databases(dir)
	db, err := sqliteFile(gallery)
	if err != nil {
		return "", err
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	tx, err := db.Begin()
	if err != nil {
		return "", err
	}
	var n int
	if err := tx.QueryRow("SELECT count(*) FROM faces").Scan(&n); err != nil {
		return "", errors.Join(err, tx.Rollback())
	}
	publisher := f.client.NewPublisher(events.PublisherConfig{Source: "attack"})
	defer publisher.Close()
	id := schema.RequestID("locked-delete")
	if err := f.client.Submit(ctx, publisher, schema.Request{ID: id, Operation: schema.OpUserDelete, Collection: "seed", ExternalID: "alice"}); err != nil {
		return "", errors.Join(err, tx.Rollback())
	}
	time.Sleep(20 * time.Second)
	if err := tx.Rollback(); err != nil {
		return "", err
	}
	r, err := f.await(ctx, id)
	if err == nil && (r.UserDelete == nil || r.UserDelete.Count != 1) {
		err = fmt.Errorf("answered %q", r.CallStatus.Reason)
	}
	if err == nil {
		if _, dead, derr := f.outcomes(ctx, map[schema.RequestID]bool{id: true}); derr != nil || dead[id] > 0 {
			err = fmt.Errorf("it is a dead letter as well (%v)", derr)
		}
	}
	return "the deletion is answered once the reader is gone", err
}
