// Package join finds what belongs together in the log: an event that began
// something, and the one that ended it within a time. It tells what matched,
// what was begun and not ended, and what ended without a beginning.
//
//	payments := join.Join[Started]{
//		Left:   join.On(func(e Started) string { return e.Payment }),
//		Rights: []join.Right{
//			join.With(func(e Succeeded) string { return e.Payment }),
//			join.With(func(e Failed) string { return e.Payment }),
//		},
//		Within: time.Hour,
//	}
//	for r, err := range payments.Each(ctx, bus, retinue.Query{}) {
//		if err != nil {
//			return err
//		}
//		switch end := r.Right.(type) {
//		case Succeeded:
//			fmt.Println(r.Left.Payment, "took", r.Took, "and cost", end.Fee)
//		case Failed:
//			fmt.Println(r.Left.Payment, "failed:", end.Why)
//		case nil:
//			fmt.Println(r.Left.Payment, r.Outcome) // open, timed out
//		}
//	}
//
// The same join is a query, [Join.Each], and a follower, [Join.Follower], which
// gives each result once, when it is decided, in a turn that can append events
// and keep keys. Both are one pass over the log in order, and remember no more
// than what the window holds. Both are made of a [Matcher], which knows neither
// bus nor Go types.
//
// # Which right goes to which left
//
// A right goes to the latest left of its key that came before it, is at most
// Within away, and has no right yet (with [Join.Many]: whatever it has). So a
// payment that was begun twice and ended once is ended in its second attempt;
// its first one times out. Windows of lefts with the same key overlap freely: a
// new left does not end the one before. A second right for one left is
// [Unmatched], or ends an older left that is still open.
package join
