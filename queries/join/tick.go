package join

import "github.com/retinue-go/retinue/messages"

// tick is the entry by which time passes for followers that join, where no
// other comes: "retinue/tick" in the permanent log, "retinue/tick-trimmable" in
// the trimmable one. It has no content. Whoever appended it, it is one for all
// of them.
type (
	permanentTick struct{}
	trimmableTick struct{}
)

func (permanentTick) EventType() messages.Type {
	return messages.Type{Module: "retinue", Kind: "tick"}
}

func (trimmableTick) EventType() messages.Type {
	return messages.Type{Module: "retinue", Kind: "tick-trimmable", Persistence: messages.Trimmable}
}

// tickTypes are read beside those of a join.
var tickTypes = []messages.Type{permanentTick{}.EventType(), trimmableTick{}.EventType()}

// tickFor is the tick that a follower of the log reads.
func tickFor(log messages.Log) messages.Event {
	if log == messages.Permanent {
		return permanentTick{}
	}
	return trimmableTick{}
}

func isTick(t messages.Type) bool {
	return t.Module == "retinue" && (t.Kind == "tick" || t.Kind == "tick-trimmable")
}
