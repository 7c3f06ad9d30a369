package embedded

import (
	"errors"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
)

// TestRebalanceDoesNotWaitForTheDead: a group that a member left without a word is complete again before the others give up. The
// member has a long session here, as one whose answer was lost.
func TestRebalanceDoesNotWaitForTheDead(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	join := func() (*kafka.JoinGroupResponse, time.Duration) {
		t.Helper()
		transport := &kafka.Transport{}
		t.Cleanup(transport.CloseIdleConnections)
		client := kafka.Client{Addr: kafka.TCP(s.KafkaAddr()), Transport: transport}
		begin := time.Now()
		request := kafka.JoinGroupRequest{
			GroupID: "group", SessionTimeout: time.Minute, RebalanceTimeout: time.Minute, ProtocolType: "consumer",
			Protocols: []kafka.GroupProtocol{{Name: "range", Metadata: kafka.GroupProtocolSubscription{Topics: []string{topic}}}},
		}
		r, err := client.JoinGroup(t.Context(), &request)
		if err == nil && errors.Is(r.Error, kafka.MemberIDRequired) {
			request.MemberID = r.MemberID
			r, err = client.JoinGroup(t.Context(), &request)
		}
		if err == nil {
			err = r.Error
		}
		if err != nil {
			t.Fatal(err)
		}
		return r, time.Since(begin)
	}
	dead, _ := join()
	living, took := join()
	if took > maxRebalanceTimeout+3*time.Second || living.MemberID == dead.MemberID || len(living.Members) != 1 {
		t.Errorf("after %v the group has %d members", took, len(living.Members))
	}
}
