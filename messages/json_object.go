package messages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// readObject reads a JSON object into the targets that required and optional
// name. Names are compared exactly. It refuses what encoding/json lets pass:
// unknown, repeated and missing members, and null.
func readObject(data []byte, required, optional map[string]any) error {
	seen := make(map[string]bool, len(required)+len(optional))
	err := eachMember(data, func(name string, value json.RawMessage) error {
		into, known := required[name]
		if !known {
			into, known = optional[name]
		}
		if !known {
			return fmt.Errorf("unknown field %q", name)
		}
		if seen[name] {
			return fmt.Errorf("repeated field %q", name)
		}
		seen[name] = true
		return unmarshalMember(name, value, into)
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(required)) {
		if !seen[name] {
			return fmt.Errorf("missing field %q", name)
		}
	}
	return nil
}

// unmarshalMember reads value into a target. Only a json.RawMessage takes null.
func unmarshalMember(name string, value json.RawMessage, into any) error {
	if raw, ok := into.(*json.RawMessage); ok {
		*raw = value
		return nil
	}
	if string(value) == "null" {
		return fmt.Errorf("field %q is null", name)
	}
	if err := json.Unmarshal(value, into); err != nil {
		return fmt.Errorf("field %q: %w", name, err)
	}
	return nil
}

// eachMember calls f with the members of a JSON object, in their order.
func eachMember(data []byte, f func(name string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil {
		return err
	} else if open != json.Delim('{') {
		return errors.New("not an object")
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if err := f(name.(string), value); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}
