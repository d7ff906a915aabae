// Command bench compares searches in an archive with SQLite's FTS5 over the
// same calls, in one run, asking both in turn.
//
//	CALLSYNCD_BENCH_CALLS   how many simulated calls; default 10000
//	CALLSYNCD_BENCH_DIR     where the archive is built and kept for the next run;
//	                        default callsyncd-bench-<calls> in the temporary folder
//
// It is a module of its own because SQLite needs cgo, and the program must not.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	calls, err := strconv.Atoi(cmp.Or(os.Getenv("CALLSYNCD_BENCH_CALLS"), "10000"))
	if err != nil || calls < 100 {
		return errors.New("CALLSYNCD_BENCH_CALLS: want a number of calls, 100 at least")
	}
	dir := cmp.Or(os.Getenv("CALLSYNCD_BENCH_DIR"), filepath.Join(os.TempDir(), fmt.Sprint("callsyncd-bench-", calls)))
	if err := buildArchive(ctx, dir, calls); err != nil {
		return err
	}
	archive, err := openArchive(ctx, configFile(dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, archive.Close()) }()
	start := time.Now()
	if err := archive.CatchUp(ctx); err != nil {
		return err
	}
	if took := time.Since(start); took > time.Second {
		fmt.Fprintf(os.Stderr, "index rebuilt in %.0f s\n", took.Seconds())
	}
	e, closeServer, err := serve(archive)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeServer()) }()
	if e.db, err = openSQLite(ctx, dir, archive); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.db.Close()) }()
	return report(ctx, e)
}

// report measures every kind and prints the table.
func report(ctx context.Context, e *engines) error {
	v, err := newVocabulary(ctx, e.db)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n%d calls, %.1f kB of text each\n", machine(), v.total, float64(v.textSize)/float64(v.total)/1000)
	var results []*result
	for _, k := range kinds() {
		if only := os.Getenv("CALLSYNCD_BENCH_KIND"); only != "" && only != k.name {
			continue
		}
		r, err := e.measure(ctx, &k, v)
		if err != nil {
			return err
		}
		results = append(results, r)
	}
	table("By the clock, in ms", results, func(f *figures) times { return f.wall })
	table("Processor time, in ms", results, func(f *figures) times { return f.cpu })
	return nil
}

func table(title string, results []*result, of func(*figures) times) {
	fmt.Printf("\n%-24s %7s | %8s %8s | %8s %8s | %8s %8s | %6s %6s\n", title, "hits", "FTS5 p50", "p99", "ours p50", "p99", "HTTP p50", "p99", "ratio", "p99")
	for _, r := range results {
		fmt.Printf("%-24s %7d", r.kind, r.hits)
		for _, f := range []*figures{&r.sqlite, &r.direct, &r.http} {
			fmt.Printf(" | %8s %8s", ms(of(f).quantile(0.5)), ms(of(f).quantile(0.99)))
		}
		fmt.Printf(" | %6s %6s\n", ratio(of(&r.sqlite), of(&r.http), 0.5), ratio(of(&r.sqlite), of(&r.http), 0.99))
	}
}

func ms(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(d)/float64(time.Millisecond), 'f', 2, 64)
}

// ratio is FTS5's time over that of the HTTP API: above 1 the API is faster.
func ratio(sqlite, http times, share float64) string {
	if len(sqlite) == 0 {
		return "-"
	}
	return strconv.FormatFloat(float64(sqlite.quantile(share))/float64(http.quantile(share)), 'f', 1, 64)
}
