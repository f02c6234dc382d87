package messages

// Codec turns an event into bytes and back. Its name is stored with every
// entry, so it must not change. A codec is safe for concurrent use.
type Codec interface {
	// Name is stored; 1 to [MaxName] bytes of UTF-8.
	Name() string
	// Append appends the event's bytes to dst and returns the result.
	Append(dst []byte, event any) ([]byte, error)
	// Decode fills into, a pointer to a fresh value of the event's type.
	// payload is the reader's: what into keeps of it must be copied.
	Decode(payload []byte, into any) error
}
