package messages_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/retinue-go/retinue/messages"
)

type Deposited struct {
	Account string
	Sats    uint64
}

func (Deposited) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "deposited"}
}

type Withdrawn struct{ Account string }

func (Withdrawn) EventType() messages.Type {
	return messages.Type{Module: "wallet", Kind: "withdrawn"}
}

func ExampleDraft() {
	event := messages.Draft{
		Event:       Deposited{"alice", 21},
		Time:        time.Date(2018, 2, 7, 12, 0, 0, 0, time.UTC),
		Correlation: "order-1",
	}
	p, err := messages.Prepare(event, 1<<20)
	fmt.Println(p.Type, p.Correlation, string(p.Payload), err)
	// Output: wallet/deposited order-1 {"Account":"alice","Sats":21} <nil>
}

func ExampleDecode() {
	entry := messages.Entry{
		ID: 7, Type: Deposited{}.EventType(), Codec: "json", Payload: []byte(`{"Account":"alice","Sats":21}`),
	}
	event, err := messages.Decode[Deposited](entry)
	fmt.Println(event.Account, event.Sats, err)

	_, err = messages.Decode[Withdrawn](entry)
	var failure *messages.DecodeError
	fmt.Println(errors.As(err, &failure), failure.Reason)
	fmt.Println(err)
	// Output:
	// alice 21 <nil>
	// true wrong type
	// retinue: cannot decode entry 7 (wallet/deposited): wrong type: want "wallet/withdrawn", got "wallet/deposited"
}

func ExampleNoneSince() {
	// Append only if nobody withdrew at or after entry 8.
	condition := messages.NoneSince(8, Withdrawn{}.EventType())
	fmt.Println(condition.At, condition.Types, condition.OnHead())
	// Output: 8 [wallet/withdrawn] false
}
