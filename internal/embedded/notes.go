package embedded

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Beside the partitions the broker keeps two files of notes, to which it appends: what the groups of consumers have committed, and
// which producers there are. Each note has a length, a checksum and a version. The broker acknowledges a note that it could not
// write whole, and when it starts it reads no further than to the first one that it cannot read. So a full disk must not meet a
// note, and what a note that is cut short would hide is looked at before.
var notes = []string{"groups.log", "pids.log"}

const (
	noteHeader = 10 // bytes: length, checksum, version
	noteStart  = 8  // bytes before what the length counts
)

// noteAt returns the note with which b begins, or nil.
func noteAt(b []byte) []byte {
	if len(b) < noteHeader {
		return nil
	}
	size := int64(binary.LittleEndian.Uint32(b)) + noteStart
	if size < noteHeader || size > int64(len(b)) || crc32.Checksum(b[noteStart:size], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil
	}
	return b[:size:size]
}

// readNotes returns the notes of raw that can be read, where the first loss between them begins (-1: there is none), and where
// the last of them ends.
func readNotes(raw []byte) (sound []byte, loss, end int) {
	loss = -1
	for at := 0; at < len(raw); {
		note := noteAt(raw[at:])
		if note == nil {
			at++
			continue
		}
		if at > end && loss < 0 {
			loss = end
		}
		sound = append(sound, note...)
		at += len(note)
		end = at
	}
	return sound, loss, end
}

// halfWritten reports whether rest, what the file holds from position at on, is what a crash or a loss of power can leave of a note.
func halfWritten(rest []byte, at int) bool {
	if len(rest) < noteHeader || len(bytes.Trim(rest, "\x00")) == 0 {
		return true
	}
	if binary.LittleEndian.Uint32(rest[4:]) == crc32.Checksum(rest[noteStart:], castagnoli) {
		return false // whole but for its length
	}
	return int64(binary.LittleEndian.Uint32(rest))+noteStart > int64(len(rest)) || hasBlankSector(rest, at)
}

// checkNotes returns what the notes below dir have lost. It cuts off a note that a crash left half-written at the end. repair, if
// not nil, is called for each damaged file with what can be read of it.
func checkNotes(dir string, repair func(path string, sound []byte) error) (losses []Loss, err error) {
	for _, name := range notes {
		path := filepath.Join(dir, name)
		raw, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return losses, err
		}
		sound, loss, end := readNotes(raw)
		if loss < 0 && end < len(raw) && !halfWritten(raw[end:], end) {
			loss = end
		}
		switch {
		case loss >= 0:
			losses = append(losses, Loss{File: path, Position: loss})
			if repair != nil {
				err = repair(path, sound)
			}
		case end < len(raw):
			err = os.Truncate(path, int64(end))
		}
		if err != nil {
			return losses, err
		}
	}
	return losses, nil
}

// room is how many bytes of the disk are kept for the next notes.
const room = 1 << 20

// keepRoom lets broker take nothing that it would have to note while the disk has no room for notes.
func keepRoom(broker *kfake.Cluster, dir string) {
	for _, key := range []kmsg.Key{
		kmsg.OffsetCommit, kmsg.TxnOffsetCommit, kmsg.OffsetDelete, kmsg.DeleteGroups, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.LeaveGroup, kmsg.ConsumerGroupHeartbeat,
		kmsg.InitProducerID, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.EndTxn,
	} {
		broker.ControlKey(int16(key), func(r kmsg.Request) (kmsg.Response, error, bool) {
			for _, name := range notes {
				err := reserve(filepath.Join(dir, name), room)
				if err == nil {
					continue
				}
				broker.KeepControl()
				if commit, ok := r.(*kmsg.OffsetCommitRequest); ok {
					return refuseCommit(commit), nil, true
				}
				return nil, err, true // the connection ends
			}
			return nil, nil, false // the broker answers
		})
	}
}

// refuseCommit answers a commit that the client should try again.
func refuseCommit(r *kmsg.OffsetCommitRequest) *kmsg.OffsetCommitResponse {
	const coordinatorNotAvailable = 15
	response := r.ResponseKind().(*kmsg.OffsetCommitResponse)
	for _, topic := range r.Topics {
		t := kmsg.NewOffsetCommitResponseTopic()
		t.Topic, t.TopicID = topic.Topic, topic.TopicID
		for _, partition := range topic.Partitions {
			p := kmsg.NewOffsetCommitResponseTopicPartition()
			p.Partition, p.ErrorCode = partition.Partition, coordinatorNotAvailable
			t.Partitions = append(t.Partitions, p)
		}
		response.Topics = append(response.Topics, t)
	}
	return response
}
