package messages

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// EditJSON returns payload, a JSON object, as edit leaves it. It is for
// [Upcaster]: what changed between two versions of a type is said, and the
// rest is kept as it was written - members that no Go type knows, their order,
// and every value byte for byte, so that no number loses digits.
//
//	func (Deposited) UpcastEvent(from uint32, payload []byte) ([]byte, error) {
//		switch from {
//		case 0: // version 1 says what the amount is counted in
//			return messages.EditJSON(payload, func(o *messages.Object) error {
//				o.Rename("Amount", "Sats")
//				return o.Set("Currency", "BTC")
//			})
//		}
//		return nil, fmt.Errorf("no version %d", from)
//	}
//
// payload is not changed. Errors: what edit returns, or that payload is not
// one JSON object.
func EditJSON(payload []byte, edit func(*Object) error) ([]byte, error) {
	if err := json.Unmarshal(payload, new(json.RawMessage)); err != nil {
		return nil, fmt.Errorf("edit JSON: %w", err)
	}
	var o Object
	err := eachMember(payload, func(name string, value json.RawMessage) error {
		o.members = append(o.members, objectMember{name, value})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("edit JSON: %w", err)
	}
	if err := edit(&o); err != nil {
		return nil, err
	}
	return o.append(make([]byte, 0, 2*len(payload))), nil
}

// Object is a JSON object while [EditJSON] edits it, in the order of its
// members. Names are compared exactly, while encoding/json decodes a member of
// any case. Of members of one name the last counts, as it does there.
type Object struct{ members []objectMember }

type objectMember struct {
	name  string
	value json.RawMessage
}

// Get returns the value of a member as it was written, nil where it is absent.
// It must not be changed.
func (o *Object) Get(name string) json.RawMessage {
	if i := o.find(name); i >= 0 {
		return o.members[i].value
	}
	return nil
}

// Set gives a member the JSON of value, in its place or as the last one. A
// [json.RawMessage] is taken as it is. Errors: that of [json.Marshal].
func (o *Object) Set(name string, value any) error {
	data, err := json.Marshal(value)
	if raw, ok := value.(json.RawMessage); ok && err == nil {
		data = raw // Marshal compacts it and escapes HTML
	}
	if err != nil {
		return fmt.Errorf("set %q: %w", name, err)
	}
	if i := o.find(name); i >= 0 {
		o.members[i].value = data
	} else {
		o.members = append(o.members, objectMember{name, data})
	}
	return nil
}

// Rename gives a member another name in its place, and reports whether it was
// there. A member that has the name already is replaced.
func (o *Object) Rename(from, to string) bool {
	at := o.find(from)
	if at < 0 {
		return false
	}
	renamed := objectMember{to, o.members[at].value}
	kept := o.members[:0]
	for i, m := range o.members {
		switch {
		case i == at:
			kept = append(kept, renamed)
		case m.name != from && m.name != to:
			kept = append(kept, m)
		}
	}
	o.members = kept
	return true
}

// Delete removes a member, and reports whether it was there.
func (o *Object) Delete(name string) bool {
	before := len(o.members)
	o.members = slices.DeleteFunc(o.members, func(m objectMember) bool { return m.name == name })
	return len(o.members) < before
}

// Edit edits the object that is a member's value, as [EditJSON] does. An
// absent member is an error.
func (o *Object) Edit(name string, edit func(*Object) error) error {
	i := o.find(name)
	if i < 0 {
		return fmt.Errorf("edit %q: %w", name, errNoMember)
	}
	value, err := EditJSON(o.members[i].value, edit)
	if err != nil {
		return fmt.Errorf("edit %q: %w", name, err)
	}
	o.members[i].value = value
	return nil
}

var errNoMember = errors.New("no such member")

func (o *Object) find(name string) int {
	for i := len(o.members) - 1; i >= 0; i-- {
		if o.members[i].name == name {
			return i
		}
	}
	return -1
}

func (o *Object) append(dst []byte) []byte {
	dst = append(dst, '{')
	for i, m := range o.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		name, _ := json.Marshal(m.name) // a string always has a form
		dst = append(append(append(dst, name...), ':'), m.value...)
	}
	return append(dst, '}')
}
