package retinue_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/retinue-go/retinue/messages"
)

func TestWhoFollowsFromAnEntryToComeIsSparedThoseBefore(t *testing.T) {
	bus := openBus(t, inMemory())
	server := httptest.NewServer(bus.AdminHandler())
	t.Cleanup(server.Close)
	got, err := http.Get(server.URL + "/v1/entries?follow=true&from=3&limit=1") // returns when it has read to the head
	if err != nil {
		t.Fatal(err)
	}
	defer got.Body.Close()
	put(t, bus, note{"1"})
	put(t, bus, note{"2"})
	put(t, bus, note{"3"})
	var e messages.Entry
	if err := json.NewDecoder(got.Body).Decode(&e); err != nil {
		t.Fatal(err)
	}
	if e.ID != 3 {
		t.Errorf("entry %d, want 3", e.ID)
	}
}
