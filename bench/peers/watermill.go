package peers

import (
	"context"
	"errors"

	"github.com/ThreeDotsLabs/watermill"
	"github.com/ThreeDotsLabs/watermill/message"
	"github.com/ThreeDotsLabs/watermill/pubsub/gochannel"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func watermillPeer() Peer {
	return Peer{
		Name: "watermill", Durability: measure.InMemory, Log: (*watermillLog)(nil), Consumes: "ack only",
		Note: "gochannel, persistent: in memory only",
		Open: openWatermill,
	}
}

type watermillLog struct {
	pubsub   *gochannel.GoChannel
	payloads [][]byte
}

const watermillTopic = "events"

func openWatermill(c engines.Config) (Log, error) {
	pubsub := gochannel.NewGoChannel(gochannel.Config{Persistent: true, OutputChannelBuffer: engines.ConsumeStep}, watermill.NopLogger{})
	return &watermillLog{pubsub, c.Payloads}, nil
}

func (w *watermillLog) Close() error { return w.pubsub.Close() }

func (w *watermillLog) Append(_ context.Context, n uint64) error {
	return w.pubsub.Publish(watermillTopic, message.NewMessage(watermill.NewUUID(), w.payloads[n%uint64(len(w.payloads))]))
}

func (w *watermillLog) AppendBatch(_ context.Context, n uint64, events int) error {
	batch := make([]*message.Message, events)
	for i := range batch {
		batch[i] = message.NewMessage(watermill.NewUUID(), w.payloads[(n+uint64(i))%uint64(len(w.payloads))])
	}
	return w.pubsub.Publish(watermillTopic, batch...)
}

func (w *watermillLog) Consume(ctx context.Context, n int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	messages, err := w.pubsub.Subscribe(ctx, watermillTopic)
	if err != nil {
		return err
	}
	for range n {
		m, open := <-messages
		if !open {
			return errors.New("the log ends too early")
		}
		m.Ack()
	}
	return nil
}
