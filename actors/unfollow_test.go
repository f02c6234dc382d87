package actors

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

func TestAnUnfollowThatComesSecondDoesNotEndWhoFollowsNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(2 * time.Second) }) // the actor system's own timers
		e := startEngine(t)
		ctx := t.Context()
		plan, err := followers.Follower{Name: "f", Every: func(*followers.Turn) error { return nil }}.Plan()
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Follow(plan); err != nil {
			t.Fatal(err)
		}
		tr, err := e.tracker("f")
		if err != nil {
			t.Fatal(err)
		}
		tr.slot <- struct{}{}
		second := make(chan error, 1)
		go func() { second <- e.Unfollow(ctx, "f") }()
		synctest.Wait() // it waits for the slot
		first := make(chan struct{})
		e.root.Send(e.groups, &stopSupervisor{tracker: tr, gone: first})
		<-first
		if _, err := e.enrol(plan); err != nil {
			t.Fatal(err)
		}
		<-tr.slot
		if err := <-second; !errors.Is(err, messages.ErrUnknownFollower) {
			t.Errorf("the second Unfollow: %v", err)
		}
		e.root.Send(e.groups, &spawnSupervisor{tracker: tr, plan: plan, reply: make(chan *actor.PID, 1)})
		ticket, err := e.Submit(ctx, Append{Events: []messages.Event{ping{1}}})
		if err != nil {
			t.Fatal(err)
		}
		at, err := ticket.Wait(ctx)
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := e.Await(ctx, "f", at); err != nil {
			t.Error(err)
		}
	})
}
