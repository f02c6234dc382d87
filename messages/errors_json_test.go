package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

func TestErrorsKeepWhatTheyAreOverAWire(t *testing.T) {
	original := &FollowerError{Follower: "mail", Entry: 7, Type: Type{Module: "shop", Kind: "sold"},
		Cause: fmt.Errorf("%w after %w", ErrParked, context.Canceled)}
	data, err := json.Marshal(Remote(original))
	if err != nil {
		t.Fatal(err)
	}
	var read RemoteError
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if read.Error() != original.Error() {
		t.Errorf("says %q, want %q", read.Error(), original.Error())
	}
	for target, want := range map[error]bool{ErrParked: true, context.Canceled: true, ErrPaused: false, errors.ErrUnsupported: false} {
		if got := errors.Is(fmt.Errorf("over there: %w", &read), target); got != want {
			t.Errorf("is %v: %v, want %v", target, got, want)
		}
	}
}

func TestNoErrorIsNoErrorOverAWire(t *testing.T) {
	if e := Remote(nil); e != nil || e.Err() != nil {
		t.Errorf("got %v and %v", e, e.Err())
	}
}

func TestAnErrorThatCameOverAWireGoesOnAsItIs(t *testing.T) {
	data, err := json.Marshal(Remote(&TrimmedError{Wanted: 1, Horizon: 5}))
	if err != nil {
		t.Fatal(err)
	}
	first := new(RemoteError)
	if err := json.Unmarshal(data, first); err != nil {
		t.Fatal(err)
	}
	if again := Remote(first); again != first {
		t.Errorf("got another one: %v", again)
	}
	wrapped := Remote(fmt.Errorf("read: %w", first))
	if trimmed := (*TrimmedError)(nil); !errors.As(wrapped, &trimmed) || trimmed.Horizon != 5 {
		t.Errorf("got %v, want the horizon 5", trimmed)
	}
	if !errors.Is(wrapped, ErrTrimmed) || !strings.HasPrefix(wrapped.Message, "read: ") {
		t.Errorf("got %v with codes %v", wrapped, wrapped.Codes)
	}
}

func TestEverySentinelHasACodeOfItsOwn(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	sentinels := 0
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		for i := 0; ok && g.Tok == token.VAR && i < len(g.Specs); i++ {
			sentinels++
		}
	}
	seen := map[string]bool{}
	errs := map[error]bool{}
	for _, c := range codes {
		if seen[c.code] || errs[c.err] {
			t.Errorf("%q or %v twice", c.code, c.err)
		}
		seen[c.code], errs[c.err] = true, true
	}
	if own := len(codes) - 2; own != sentinels {
		t.Errorf("%d codes for %d sentinels of errors.go: a new one needs a code", own, sentinels)
	}
}
