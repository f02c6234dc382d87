package retinuetest_test

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
	"github.com/retinue-go/retinue/retinuetest"
)

func TestADiskFailsWhatItWasTold(t *testing.T) {
	disk := retinuetest.NewDisk()
	create := func(name string) (vfs.File, error) { return disk.Create(name, vfs.WriteCategoryUnspecified) }
	f, err := create("a.log")
	if err != nil {
		t.Fatal(err)
	}
	other, err := create("b.sst")
	if err != nil {
		t.Fatal(err)
	}
	disk.FailSync(2)
	var got []bool
	for range 3 {
		if err := other.Sync(); err != nil {
			t.Error(err)
		}
		got = append(got, errors.Is(f.Sync(), retinuetest.ErrDisk))
	}
	if got[0] || !got[1] || got[2] {
		t.Errorf("failed syncs: %v, want the second only", got)
	}
	disk.Fail(retinuetest.DiskFault{Op: retinuetest.Write, Permanent: true, Err: errRefused})
	for range 2 {
		if _, err := other.Write([]byte("x")); !errors.Is(err, errRefused) {
			t.Errorf("write = %v", err)
		}
	}
	disk.Fail(retinuetest.DiskFault{Op: retinuetest.Create, File: "c"})
	if _, err := create("c"); !errors.Is(err, retinuetest.ErrDisk) {
		t.Errorf("create = %v", err)
	}
	disk.Fail(retinuetest.DiskFault{Op: retinuetest.Rename})
	if err := disk.Rename("a.log", "d.log"); !errors.Is(err, retinuetest.ErrDisk) {
		t.Errorf("rename = %v", err)
	}
	disk.Fail(retinuetest.DiskFault{Op: retinuetest.Remove})
	if err := disk.Remove("a.log"); !errors.Is(err, retinuetest.ErrDisk) {
		t.Errorf("remove = %v", err)
	}
	if n := disk.Hits(); n != 6 {
		t.Errorf("%d hits, want 6", n)
	}
}

// It leaves parked goroutines behind: see the package's documentation.
func TestABusOnAFailingDiskLosesNothingAcknowledged(t *testing.T) {
	disk := retinuetest.NewDisk()
	bus := retinuetest.Open(t, &retinue.Options{FS: disk})
	retinuetest.Append(t, bus, paid{1})
	disk.FailSync(1)
	if _, err := bus.Append(t.Context(), paid{2}); !errors.Is(err, messages.ErrFailed) || !errors.Is(err, retinuetest.ErrDisk) {
		t.Fatalf("append = %v, want ErrFailed with the disk's error", err)
	}
	bus = retinuetest.Crash(t, bus, retinuetest.Cut{})
	if got := retinuetest.Entries[paid](t, bus); len(got) == 0 || got[0] != (paid{1}) {
		t.Errorf("entries = %v", got)
	}
	retinuetest.Append(t, bus, paid{3})
}

func TestALeakIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		stop := make(chan struct{})
		defer close(stop)
		complains(t, retinuetest.Try(func(t retinuetest.TB) {
			retinuetest.CheckLeaks(t)
			go func() { <-stop }()
		}), "1 goroutines are left", "TestALeakIsTold")
	})
}

func TestTryRunsATestOfItsOwn(t *testing.T) {
	var order []string
	said := retinuetest.Try(func(t retinuetest.TB) {
		ctx := t.Context()
		t.Cleanup(func() {
			order = append(order, "first")
			t.Fatalf("in a cleanup: %v", ctx.Err())
		})
		t.Cleanup(func() { order = append(order, "second") })
		t.Errorf("%d", 1)
		t.Fatalf("%d", 2)
		t.Errorf("%d", 3)
	})
	if len(said) != 3 || said[0] != "1" || said[1] != "2" || said[2] != "in a cleanup: context canceled" {
		t.Errorf("complaints = %q", said)
	}
	if len(order) != 2 || order[0] != "second" {
		t.Errorf("cleanups ran in order %q", order)
	}
}
