package followers_test

import (
	"context"
	"fmt"
	"strconv"

	"github.com/retinue-go/retinue/followers"
	"github.com/retinue-go/retinue/messages"
)

type Shipped struct{ Item string }

func (Shipped) EventType() messages.Type {
	return messages.Type{Module: "shop", Kind: "shipped"}
}

type SoldOut struct{ Item string }

func (SoldOut) EventType() messages.Type {
	return messages.Type{Module: "shop", Kind: "sold-out"}
}

// takeFromStock is the reaction under test.
func takeFromStock(t *followers.Turn, e Shipped) error {
	value, err := t.Get([]byte(e.Item))
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(string(value))
	if err != nil {
		return err
	}
	if left == 1 {
		if err := t.Append(SoldOut(e)); err != nil {
			return err
		}
	}
	return t.Set([]byte(e.Item), []byte(strconv.Itoa(left-1)))
}

// A reaction is a function of a turn and an event, and is tested as one: no
// bus, no actor, no disk.
func ExampleNewTurn() {
	store := followers.NewMemory()
	store.Set([]byte("lamp"), []byte("1"))

	entry := messages.Entry{ID: 7, Type: Shipped{}.EventType()}
	turn := followers.NewTurn(context.Background(), entry, store)
	err := takeFromStock(turn, Shipped{"lamp"})

	left, _ := store.Get([]byte("lamp"))
	fmt.Printf("error %v, %s left\n", err, left)
	for _, event := range turn.Appended() {
		fmt.Printf("%v %s, caused by entry %v\n", event.Type, event.Payload, event.Cause.ID)
	}
	// Output:
	// error <nil>, 0 left
	// shop/sold-out {"Item":"lamp"}, caused by entry 7
}

// A plan runs an entry through the reaction to its kind, decoding included.
func ExamplePlan() {
	plan, err := followers.Follower{
		Name:      "stock",
		Reactions: []followers.Reaction{followers.On(takeFromStock)},
	}.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	store := followers.NewMemory()
	store.Set([]byte("lamp"), []byte("5"))
	entry := messages.Entry{
		ID: 7, Type: Shipped{}.EventType(), Codec: "json", Payload: []byte(`{"Item":"lamp"}`),
	}
	err = plan.React(followers.NewTurn(context.Background(), entry, store))
	left, _ := store.Get([]byte("lamp"))
	fmt.Printf("error %v, %s left\n", err, left)
	// Output: error <nil>, 4 left
}
