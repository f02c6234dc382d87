package retinuetest

import (
	"regexp"
	"runtime"
	"strings"
)

// CheckLeaks fails the test if, at its end, goroutines are left that were not
// there when CheckLeaks was called. Call it before [Open], so that it looks
// when all is closed. In a bubble it sees the bubble's goroutines only; outside,
// do not use it in tests that run in parallel with others.
//
// A bubble does not end with goroutines left either; CheckLeaks is what tells
// which, and works outside too. It waits for those that are about to end.
func CheckLeaks(t TB) {
	t.Helper()
	before := goroutines()
	t.Cleanup(func() {
		t.Helper()
		var left []string
		gone := until(func() bool {
			left = nil
			for id, stack := range goroutines() {
				if _, old := before[id]; !old {
					left = append(left, stack)
				}
			}
			return len(left) == 0
		}, nil)
		if !gone {
			t.Errorf("%d goroutines are left:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

var (
	header   = regexp.MustCompile(`^goroutine (\d+) `)
	bubbleOf = regexp.MustCompile(`^goroutine \d+ \[.*synctest bubble (\d+).*\]`)
)

// goroutines returns the stacks of all goroutines but the caller's by number:
// in a bubble, of those in the same.
func goroutines() map[string]string {
	buffer := make([]byte, 1<<16)
	for {
		n := runtime.Stack(buffer, true)
		if n < len(buffer) {
			buffer = buffer[:n]
			break
		}
		buffer = make([]byte, 2*len(buffer))
	}
	all := strings.Split(strings.TrimSpace(string(buffer)), "\n\n")
	bubble := bubbleOf.FindStringSubmatch(all[0])
	found := make(map[string]string)
	for _, stack := range all[1:] {
		id := header.FindStringSubmatch(stack)
		if id == nil {
			continue
		}
		if its := bubbleOf.FindStringSubmatch(stack); bubble != nil && (its == nil || its[1] != bubble[1]) {
			continue
		}
		found[id[1]] = stack
	}
	return found
}
