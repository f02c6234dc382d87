package followers_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/retinue-go/retinue/followers"
)

func TestAnAnswerCarriesTheTokenOfItsDelivery(t *testing.T) {
	turn := newTurn(t, deposited{1})
	old, now := followers.NewDeliver(turn, 41), followers.NewDeliver(turn, 42)
	stale, done := old.Done(nil), now.Done(errBroken)
	if stale.Token() != 41 || stale.Err() != nil {
		t.Errorf("first answer: token %d, err %v, want 41 and none", stale.Token(), stale.Err())
	}
	if done.Token() != 42 || done.Err() != errBroken {
		t.Errorf("second answer: token %d, err %v, want 42 and %v", done.Token(), done.Err(), errBroken)
	}
	if now.Turn != turn {
		t.Error("the delivery is of another turn")
	}
}

func TestALoggedDeliveryShowsNothingOfItsTurn(t *testing.T) {
	var line bytes.Buffer
	log := slog.New(slog.NewTextHandler(&line, nil))
	log.Info("dead letter", "message", followers.NewDeliver(newTurn(t, blob("secret")), 42))
	if got := line.String(); !strings.Contains(got, "message.delivery=42") || strings.Contains(got, "Turn") {
		t.Errorf("logged %q, want the token alone", got)
	}
}
