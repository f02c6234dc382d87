// Package queries reads what happened: the entries of one kind with their
// events decoded, what led to an entry, and what came of it.
//
//	for d, err := range queries.Each[Deposited](ctx, bus, retinue.Query{Since: monday}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(d.Entry.Ordered, d.Event.Sats)
//	}
//
// What is read is said by a [retinue.Query]; see there for what each of its
// fields costs. Nothing here writes, and no function works in memory that grows
// with the log, but for [Effects], which remembers an id for each one found.
package queries
