package persistence

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue/messages"
)

func TestABatchThatACommitStillHoldsIsLeftAlone(t *testing.T) {
	s := mustOpenOn(t, vfs.NewMem())
	defer func() {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	// Of this one nobody takes the commits, as where the disk does not answer.
	stuck := &Store{db: s.db, keys: s.keys, fence: NewFence(), jobs: make(chan commitJob)}
	held := make(chan commitJob, 1)
	go func() {
		held <- <-stuck.jobs
		stuck.fence.Trip(errors.New("elsewhere"))
	}()
	b := stuck.NewBatch()
	b.SetHeads(Heads{Event: 2, Trimmable: 2})
	before := bytes.Clone(b.b.Repr())
	if err := b.Commit(false); !errors.Is(err, messages.ErrFailed) {
		t.Fatalf("commit: %v, want %v", err, messages.ErrFailed)
	}
	b.SetHeads(Heads{Event: 3, Trimmable: 3}) // the rest of the round
	job := <-held
	if after := job.batch.Repr(); !bytes.Equal(before, after) {
		t.Errorf("the batch has changed under its commit, from %d to %d bytes", len(before), len(after))
	}
}
