package retinue

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/retinue-go/retinue/messages"
)

// AdminSocket is the name, in the store's directory, of the socket that
// [Options.Admin] opens.
const AdminSocket = "retinue.sock"

// maxSocketPath is the longest path of a Unix socket that every system takes.
const maxSocketPath = 103

// ServeAdmin serves [Bus.AdminHandler] on a listener of the caller's until the
// bus is closed, and closes it. It knows no users: who may connect may do all
// that the handler does. On TCP give it a listener of the loopback interface
// or of TLS with client certificates, or put AdminHandler behind a handler
// that asks who is there.
//
// Errors: [messages.ErrClosed] once the bus is closed; the listener's.
func (b *Bus) ServeAdmin(l net.Listener) error {
	base, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	server := &http.Server{
		Handler:           b.AdminHandler(),
		BaseContext:       func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(b.engine.Logger.Handler(), slog.LevelWarn),
	}
	if !b.admin.add(server, cancel) {
		return errors.Join(messages.ErrClosed, l.Close())
	}
	defer b.admin.done.Done()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		b.admin.remove(server)
		return err
	}
	return messages.ErrClosed
}

// admins are the servers of a bus.
type admins struct {
	mu      sync.Mutex
	closed  bool
	servers map[*http.Server]context.CancelCauseFunc
	done    sync.WaitGroup
}

func (a *admins) add(s *http.Server, cancel context.CancelCauseFunc) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return false
	}
	if a.servers == nil {
		a.servers = make(map[*http.Server]context.CancelCauseFunc)
	}
	a.servers[s] = cancel
	a.done.Add(1)
	return true
}

func (a *admins) remove(s *http.Server) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.servers, s)
}

// stop ends all requests and servers. Errors: ctx's, with a
// [messages.StuckError], where a request does not end.
func (a *admins) stop(ctx context.Context) error {
	a.mu.Lock()
	a.closed = true
	servers := maps.Clone(a.servers)
	a.mu.Unlock() // one that ends by itself takes itself out
	for s, cancel := range servers {
		cancel(messages.ErrClosed)
		if err := s.Shutdown(ctx); err != nil {
			s.Close()
			return errors.Join(&messages.StuckError{Names: []string{"an admin request"}}, err)
		}
		a.remove(s)
	}
	a.done.Wait()
	return nil
}

// openSocket serves the bus in its directory. A socket that is there is of a
// process that died: the store is locked, and ours.
func (b *Bus) openSocket(dir string) error {
	path := filepath.Join(dir, AdminSocket)
	if len(path) > maxSocketPath {
		return messages.Invalid("options", "Admin: %s has %d bytes, the path of a socket at most %d; use ServeAdmin with a listener elsewhere", path, len(path), maxSocketPath)
	}
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return messages.Invalid("options", "Admin: %s is there and no socket", path)
	default:
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, l.Close())
	}
	go func() {
		if err := b.ServeAdmin(l); !errors.Is(err, messages.ErrClosed) {
			b.engine.Logger.Warn("admin socket ended", slog.Any("error", err))
		}
	}()
	return nil
}
