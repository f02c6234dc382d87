package peers

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func natsPeer(name string, always bool) Peer {
	p := Peer{
		Name: name, Durability: measure.Unsynced, Reactions: measure.Unsynced, Log: (*natsLog)(nil), Consumes: "ack only",
		Note: "JetStream in the process, default: the operating system has the message, fsync every two minutes",
		Open: func(c engines.Config) (Log, error) { return openNATS(c, always) },
	}
	if always {
		p.Durability = measure.Synced
		p.Note = "JetStream in the process, SyncAlways: fsync per message; acknowledgements of consumers are written later"
	}
	return p
}

type natsLog struct {
	server   *server.Server
	conn     *nats.Conn
	js       jetstream.JetStream
	payloads [][]byte
}

const (
	natsStream  = "events"
	natsSubject = "bench.event"
	natsWait    = 10 * time.Second
)

func openNATS(c engines.Config, always bool) (Log, error) {
	s, conn, err := startNATS(c.Dir, always)
	if err != nil {
		return nil, err
	}
	n := &natsLog{server: s, conn: conn, payloads: c.Payloads}
	if n.js, err = jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(4096)); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	ctx, cancel := context.WithTimeout(context.Background(), natsWait)
	defer cancel()
	_, err = n.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: natsStream, Subjects: []string{natsSubject}, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// startNATS starts a server without a port and connects to it in the process.
func startNATS(dir string, always bool) (*server.Server, *nats.Conn, error) {
	s, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: dir, SyncAlways: always, DontListen: true, NoLog: true, NoSigs: true,
	})
	if err != nil {
		return nil, nil, err
	}
	s.Start()
	if !s.ReadyForConnections(natsWait) {
		s.Shutdown()
		return nil, nil, errors.New("the server does not become ready")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		s.Shutdown()
		return nil, nil, err
	}
	return s, conn, nil
}

func (n *natsLog) Close() error {
	n.conn.Close()
	n.server.Shutdown()
	n.server.WaitForShutdown()
	return nil
}

func (n *natsLog) Append(ctx context.Context, i uint64) error {
	_, err := n.js.Publish(ctx, natsSubject, n.payloads[i%uint64(len(n.payloads))])
	return err
}

func (n *natsLog) AppendBatch(ctx context.Context, at uint64, events int) error {
	futures := make([]jetstream.PubAckFuture, events)
	for i := range futures {
		var err error
		if futures[i], err = n.js.PublishAsync(natsSubject, n.payloads[(at+uint64(i))%uint64(len(n.payloads))]); err != nil {
			return err
		}
	}
	for _, f := range futures {
		select {
		case <-f.Ok():
		case err := <-f.Err():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (n *natsLog) Consume(ctx context.Context, events int) error {
	consumer, err := n.js.CreateConsumer(ctx, natsStream, jetstream.ConsumerConfig{
		Durable: "f", AckPolicy: jetstream.AckAllPolicy, MaxAckPending: 16 * engines.ConsumeStep,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(4 * engines.ConsumeStep))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for done := 1; done <= events; done++ {
		m, err := messages.Next()
		if err != nil {
			return err
		}
		switch {
		case done == events:
			return m.DoubleAck(ctx)
		case done%engines.ConsumeStep == 0:
			if err := m.Ack(); err != nil {
				return err
			}
		}
	}
	return nil
}
