package peers

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"

	_ "github.com/mattn/go-sqlite3" // driver sqlite3; without cgo, opening says so
	_ "modernc.org/sqlite"          // driver sqlite

	"github.com/retinue-go/retinue/bench/engines"
	"github.com/retinue-go/retinue/bench/measure"
)

func sqlitePeer(name, driver string) Peer {
	return Peer{
		Name: name, Durability: measure.Synced, LaterSync: true, Log: (*sqlite)(nil),
		Note: "WAL, synchronous=FULL, one connection; fsync per transaction",
		Open: func(c engines.Config) (Log, error) { return openSQLite(driver, c) },
	}
}

type sqlite struct {
	db                          *sql.DB
	payloads                    [][]byte
	insert, read, react, cursor *sql.Stmt
	get, set                    *sql.Stmt
}

var sqliteSchema = []string{
	`PRAGMA journal_mode=WAL`,
	`PRAGMA synchronous=FULL`,
	`CREATE TABLE log (id INTEGER PRIMARY KEY AUTOINCREMENT, payload BLOB)`,
	`CREATE TABLE reactions (id INTEGER PRIMARY KEY, value BLOB)`,
	`CREATE TABLE keys (name BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID`,
	`CREATE TABLE cursor (name TEXT PRIMARY KEY, at INTEGER)`,
	`INSERT INTO cursor VALUES ('f', 0)`,
}

func openSQLite(driver string, c engines.Config) (Log, error) {
	db, err := sql.Open(driver, filepath.Join(c.Dir, "sqlite"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	s := &sqlite{db: db, payloads: c.Payloads}
	schema := sqliteSchema
	if c.Unsynced {
		schema = append(schema[:len(schema):len(schema)], `PRAGMA synchronous=NORMAL`)
	}
	for _, statement := range schema {
		if _, err := db.Exec(statement); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	for _, p := range []struct {
		to   **sql.Stmt
		text string
	}{
		{&s.insert, `INSERT INTO log (payload) VALUES (?)`},
		{&s.read, `SELECT id, payload FROM log WHERE id > ? ORDER BY id LIMIT ?`},
		{&s.react, `INSERT OR REPLACE INTO reactions VALUES (?, ?)`},
		{&s.cursor, `UPDATE cursor SET at = ? WHERE name = 'f'`},
		{&s.get, `SELECT value FROM keys WHERE name = ?`},
		{&s.set, `INSERT OR REPLACE INTO keys VALUES (?, ?)`},
	} {
		if *p.to, err = db.Prepare(p.text); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return s, nil
}

func (s *sqlite) Close() error { return s.db.Close() }

func (s *sqlite) Append(ctx context.Context, n uint64) error {
	_, err := s.insert.ExecContext(ctx, s.payloads[n%uint64(len(s.payloads))])
	return err
}

// within runs do in one transaction.
func (s *sqlite) within(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *sqlite) AppendBatch(ctx context.Context, n uint64, events int) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		insert := tx.Stmt(s.insert)
		for i := range uint64(events) {
			if _, err := insert.Exec(s.payloads[(n+i)%uint64(len(s.payloads))]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *sqlite) Consume(ctx context.Context, n int) error {
	ids := make([]int64, 0, engines.ConsumeStep)
	value := make([]byte, engines.ReactionSize)
	for done := 0; done < n; done += len(ids) {
		err := s.within(ctx, func(tx *sql.Tx) (err error) {
			if ids, err = readIDs(tx.Stmt(s.read), int64(done), ids[:0]); err != nil {
				return err
			}
			if len(ids) == 0 {
				return errors.New("the log ends too early")
			}
			react := tx.Stmt(s.react)
			for _, id := range ids {
				if _, err := react.Exec(id, value); err != nil {
					return err
				}
			}
			_, err = tx.Stmt(s.cursor).Exec(ids[len(ids)-1])
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func readIDs(read *sql.Stmt, after int64, ids []int64) ([]int64, error) {
	rows, err := read.Query(after, engines.ConsumeStep)
	if err != nil {
		return ids, err
	}
	defer rows.Close()
	var payload sql.RawBytes
	for rows.Next() {
		var id int64
		if err := rows.Scan(&id, &payload); err != nil {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (s *sqlite) Update(ctx context.Context, key []byte) error {
	return s.within(ctx, func(tx *sql.Tx) error {
		var old []byte
		if err := tx.Stmt(s.get).QueryRow(key).Scan(&old); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err := tx.Stmt(s.set).Exec(key, engines.Counted(old))
		return err
	})
}
