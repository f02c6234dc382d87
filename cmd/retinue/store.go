package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/admin"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/persistence"
)

// access is what a verb does to a store that nobody has open.
type access bool

// sentinel is the file that makes a directory a store; see docs/format.md.
const sentinel = "RETINUE"

const (
	reading access = false
	writing access = true
)

// store is a bus to speak to: another process's, or one over a closed store.
type store struct {
	*admin.Client
	// ctx of the verb; see Entry.
	ctx context.Context
	// live is true for another process's.
	live  bool
	close func() error
}

// storeFlags say how a store is opened.
type storeFlags struct {
	prefix string
	// trim is what of the trimmable log a trim of a closed store keeps.
	trim retinue.Trim
}

func (f *storeFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "`prefix` of the store in a database that it shares; Go escapes as in bus\\x00")
	cmd.ValidArgsFunction = completeStore
}

// with opens the store, calls do and closes it.
func (f *storeFlags) with(ctx context.Context, target string, a access, do func(*store) error) error {
	s, err := f.open(ctx, target, a)
	if err != nil {
		return err
	}
	s.ctx = ctx
	err = do(s)
	s.Client.Close()
	return errors.Join(err, s.close())
}

// Entry is that of the client, and ends with the verb, whose context a
// [queries.Source] is not given.
func (s *store) Entry(log messages.Log, at messages.Position) (messages.Entry, error) {
	type answer struct {
		entry messages.Entry
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		e, err := s.Client.Entry(log, at)
		answered <- answer{e, err}
	}()
	select {
	case a := <-answered:
		return a.entry, a.err
	case <-s.ctx.Done():
		return messages.Entry{}, s.ctx.Err()
	}
}

// open speaks to the bus that serves target, or opens the store there.
func (f *storeFlags) open(ctx context.Context, target string, a access) (*store, error) {
	if strings.HasPrefix(target, "http://") || strings.HasPrefix(target, "https://") {
		if u, err := url.Parse(target); err != nil || u.Host == "" {
			return nil, usagef("%s names no host", target)
		}
		return f.served(target, admin.Connect(target, nil))
	}
	info, err := os.Stat(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s does not exist: %w", target, messages.ErrNotStore)
	case err != nil:
		return nil, err
	case info.Mode().Type() == fs.ModeSocket:
		return f.served(target, admin.Dial(target))
	case !info.IsDir():
		return nil, fmt.Errorf("%s is a file: %w", target, messages.ErrNotStore)
	}
	socket := filepath.Join(target, retinue.AdminSocket)
	if listens(ctx, socket) {
		return f.served(socket, admin.Dial(socket))
	}
	bus, closeDB, err := f.direct(target, a)
	if err != nil {
		return nil, f.withAdvice(err, target)
	}
	return &store{Client: admin.Direct(bus), close: func() error { return errors.Join(bus.Close(), closeDB()) }}, nil
}

// served is the bus of another process, which serves one store.
func (f *storeFlags) served(where string, client *admin.Client) (*store, error) {
	if f.prefix != "" {
		return nil, usagef("%s serves the bus of one store: leave --prefix away", where)
	}
	return &store{Client: client, live: true, close: func() error { return nil }}, nil
}

// withAdvice says how a store that is in use is looked into.
func (f *storeFlags) withAdvice(err error, target string) error {
	how := "set Admin in its\nretinue.Options, or call bus.ServeAdmin with a listener and give its address\ninstead of the directory"
	switch {
	case !errors.Is(err, messages.ErrInUse):
		return err
	case f.prefix != "":
		how = "have it call\nbus.ServeAdmin with a listener, and give the address of that instead of the\ndirectory"
	}
	return fmt.Errorf("%w\n\nA program has %s open. To look into it while it runs, %s", err, target, how)
}

// listens reports whether somebody listens at a socket. A process that died
// leaves one behind.
func listens(ctx context.Context, socket string) bool {
	if _, err := os.Lstat(socket); err != nil {
		return false
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// direct opens a store that is there, and makes none.
func (f *storeFlags) direct(dir string, a access) (bus *retinue.Bus, closeDB func() error, err error) {
	none := func() error { return nil }
	// The program's own options may keep keys longer than the default.
	o := retinue.Options{ReadOnly: a == reading, Trim: f.trim, KeyWindow: retinue.Forever}
	o.Trim.Off = true
	if f.prefix == "" {
		if _, err := os.Stat(filepath.Join(dir, sentinel)); errors.Is(err, fs.ErrNotExist) {
			return nil, none, fmt.Errorf("%s has no file %s: %w", dir, sentinel, messages.ErrNotStore)
		}
		bus, err = retinue.Open(dir, &o)
		return bus, none, err
	}
	prefix, err := unquoted(f.prefix)
	if err != nil {
		return nil, none, err
	}
	if _, err := os.Stat(filepath.Join(dir, sentinel)); err == nil {
		return nil, none, fmt.Errorf("%s is a store and no program's database: leave --prefix away: %w", dir, messages.ErrNotStore)
	}
	db, fence, closeDB, err := persistence.OpenShared(dir, a == reading)
	if err != nil {
		return nil, none, err
	}
	o.DB, o.Fence, o.Prefix = db, fence, prefix
	if a == writing { // which would make a store
		there := retinue.Options{ReadOnly: true, DB: db, Fence: fence, Prefix: o.Prefix}
		if bus, err = retinue.Open("", &there); err == nil {
			err = bus.Close()
		}
	}
	if err == nil {
		bus, err = retinue.Open("", &o)
	}
	if err != nil {
		return nil, none, errors.Join(fmt.Errorf("%s, prefix %q: %w", dir, prefix, err), closeDB())
	}
	return bus, closeDB, nil
}

// unquoted is the prefix that a flag means.
func unquoted(flag string) ([]byte, error) {
	prefix, err := strconv.Unquote(`"` + flag + `"`)
	if err != nil {
		return nil, usagef("--prefix: %q is no text with the escapes of Go", flag)
	}
	return []byte(prefix), nil
}

// follower returns the status of one.
func (s *store) follower(ctx context.Context, name string) (retinue.FollowerStatus, error) {
	status, err := s.Status(ctx)
	if err != nil {
		return retinue.FollowerStatus{}, err
	}
	var names []string
	for _, f := range status.Followers {
		if f.Name == name {
			return f, nil
		}
		names = append(names, strconv.Quote(f.Name))
	}
	known := "the store has none"
	if len(names) > 0 {
		known = "the store has " + strings.Join(names, ", ")
	}
	return retinue.FollowerStatus{}, &messages.FollowerError{Follower: name, Cause: fmt.Errorf("%w; %s", messages.ErrUnknownFollower, known)}
}

// follower is result of what was done to one.
func (t *telling) follower(ctx context.Context, s *store, name, format string, args ...any) error {
	if !t.json {
		return t.result(ctx, nil, format, args...)
	}
	now, err := s.follower(ctx, name)
	if err != nil {
		return err
	}
	return t.result(ctx, now, "")
}

// parsePosition reads an id of a log.
func parsePosition(log messages.Log, text string) (messages.Position, error) {
	id, err := parseID(text)
	if err != nil {
		return nil, usageError{err}
	}
	return place(log, id), nil
}
