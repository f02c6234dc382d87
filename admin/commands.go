package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/retinue-go/retinue"
	"github.com/retinue-go/retinue/messages"
)

// Pause is [retinue.Bus.Pause].
func (c *Client) Pause(ctx context.Context, follower string) error {
	return c.command(ctx, "pause", url.Values{"follower": {follower}}, nil)
}

// Resume is [retinue.Bus.Resume].
func (c *Client) Resume(ctx context.Context, follower string) error {
	return c.command(ctx, "resume", url.Values{"follower": {follower}}, nil)
}

// Seek is [retinue.Bus.Seek].
func (c *Client) Seek(ctx context.Context, follower string, expect, to messages.Position) error {
	form := url.Values{"follower": {follower}}
	if err := place(form, "expect", expect); err != nil {
		return err
	}
	if err := place(form, "to", to); err != nil {
		return err
	}
	return c.command(ctx, "seek", form, nil)
}

// Replay is [retinue.Bus.Replay].
func (c *Client) Replay(ctx context.Context, follower string, choice retinue.Replay) (done retinue.Replayed, err error) {
	form := url.Values{
		"follower": {follower}, "all": {strconv.FormatBool(choice.All)}, "key": {choice.Key},
		"preview": {strconv.FormatBool(choice.Preview)}, "limit": {strconv.Itoa(choice.Limit)},
	}
	if err := place(form, "at", choice.At...); err != nil {
		return done, err
	}
	err = c.command(ctx, "replay", form, &done)
	return done, err
}

// Drop is [retinue.Bus.Drop].
func (c *Client) Drop(ctx context.Context, follower string, at ...messages.Position) error {
	form := url.Values{"follower": {follower}}
	if err := place(form, "at", at...); err != nil {
		return err
	}
	return c.command(ctx, "drop", form, nil)
}

// Trim is [retinue.Bus.Trim].
func (c *Client) Trim(ctx context.Context) (done retinue.Trimmed, err error) {
	err = c.command(ctx, "trim", nil, &done)
	return done, err
}

// PreviewTrim is [retinue.Bus.PreviewTrim].
func (c *Client) PreviewTrim(ctx context.Context) (would retinue.Trimmed, err error) {
	err = c.command(ctx, "trim", url.Values{"preview": {"true"}}, &would)
	return would, err
}

func (c *Client) command(ctx context.Context, verb string, form url.Values, into any) error {
	return c.call(ctx, http.MethodPost, "/v1/"+verb, form, into)
}

// place writes positions into a form, with the log that they are of. Errors:
// [messages.ErrNotInLog] where they are not of one log.
func place(form url.Values, name string, at ...messages.Position) error {
	for _, p := range at {
		log := messages.Permanent
		if form.Has("log") {
			if err := log.UnmarshalText([]byte(form.Get("log"))); err != nil {
				return err
			}
		} else if e, ok := p.(messages.Entry); ok {
			log = e.Log
		} else if _, _, err := messages.Span(p, log); err != nil {
			log = messages.TrimmableLog
		}
		id, _, err := messages.Span(p, log)
		if err != nil {
			return err
		}
		form.Set("log", log.String())
		form.Add(name, strconv.FormatUint(id, 10))
	}
	return nil
}
