package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"facestream/internal/directory"
	"facestream/internal/directory/directorytest"
	"facestream/internal/directory/postgres"
	"facestream/pkg/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fresh returns a DSN with an empty schema of its own in the server that FACESTREAM_POSTGRES names.
func fresh(t testing.TB) schema.Secret {
	t.Helper()
	server := os.Getenv("FACESTREAM_POSTGRES")
	if server == "" {
		t.Skip("SKIPPED: FACESTREAM_POSTGRES names no server; `make test-postgres` starts one")
	}
	name := "test" + strings.ReplaceAll(uuid.NewString(), "-", "")
	do := func(ctx context.Context, statement string) {
		t.Helper()
		c, err := pgx.Connect(ctx, server)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(ctx)
		if _, err := c.Exec(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	do(t.Context(), "CREATE SCHEMA "+name)
	t.Cleanup(func() { do(context.Background(), "DROP SCHEMA "+name+" CASCADE") })
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("search_path", name)
	u.RawQuery = q.Encode()
	return schema.Secret(u.String())
}

func open(t testing.TB, dsn schema.Secret) *postgres.Directory {
	t.Helper()
	d, err := postgres.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	directorytest.Run(t, func(t *testing.T) directorytest.Open {
		dsn := fresh(t)
		return func(t *testing.T) (directory.Directory, func()) {
			d := open(t, dsn)
			return d, func() {
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// TestSeveralIndexers: one database serves several processes, which start at the same time, and a request that two of them carry
// out has one answer.
func TestSeveralIndexers(t *testing.T) {
	dsn := fresh(t)
	const processes, people = 3, 20
	opened := make(chan *postgres.Directory, processes)
	for range processes {
		go func() {
			d, err := postgres.Open(context.WithoutCancel(t.Context()), dsn)
			if err != nil {
				t.Error(err)
			}
			opened <- d
		}()
	}
	var all []*postgres.Directory
	for range processes {
		d := <-opened
		if d == nil {
			t.FailNow()
		}
		defer d.Close()
		all = append(all, d)
	}
	answers := make(chan []schema.Outcome[directory.Done], processes)
	var changes []directory.Change
	for i := range people {
		changes = append(changes, directory.Change{Collection: "staff", Request: schema.RequestID(fmt.Sprint(i)), Act: directory.Put{PUID: schema.PUID(fmt.Sprint("p", i%7))}})
	}
	for _, d := range all {
		go func() { answers <- d.Apply(context.WithoutCancel(t.Context()), changes) }()
	}
	var first []schema.Outcome[directory.Done]
	for range all {
		got := <-answers
		for i := range got {
			if got[i].Err != nil {
				t.Fatal(got[i].Err)
			}
			if first != nil && first[i].Value.Created != got[i].Value.Created {
				t.Errorf("request %d is answered %v and %v", i, first[i], got[i])
			}
		}
		first = got
	}
	page, err := all[0].Persons(t.Context(), "staff", directory.Query{Limit: 100})
	if err != nil || len(page.Persons) != 7 {
		t.Errorf("%d persons, %v", len(page.Persons), err)
	}
}

// TestUnreachable: a server that is away is waited for; one that refuses the user, the database or the address is not. No error
// names the password.
func TestUnreachable(t *testing.T) {
	const secret = "planted-password"
	away := schema.Secret("postgres://user:" + secret + "@127.0.0.1:1/db?sslmode=disable")
	if _, err := postgres.Open(t.Context(), away); schema.ClassOf(err) != schema.ClassTransient || strings.Contains(fmt.Sprint(err), secret) {
		t.Errorf("a server that is away: %v (%v)", err, schema.ClassOf(err))
	}
	if _, err := postgres.Open(t.Context(), "postgres://user:"+secret+"@host:port/db"); schema.ClassOf(err) != schema.ClassFatal || strings.Contains(fmt.Sprint(err), secret) {
		t.Errorf("no address: %v", err)
	}
	u, err := url.Parse(string(fresh(t)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := postgres.OpenReader(t.Context(), schema.Secret(u.String())); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("a reader without tables: %v", err)
	}
	u.Path = "/no-such-database"
	if _, err := postgres.Open(t.Context(), schema.Secret(u.String())); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("no such database: %v", err)
	}
}
