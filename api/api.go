package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"callsyncd/call"
)

// Errors a Searcher answers with when it cannot answer at all. A mistake in
// the query is a *call.QueryError, a damaged cursor call.ErrBadCursor.
var (
	// ErrUnavailable: there is no index to search yet; 503.
	ErrUnavailable = errors.New("search is unavailable")
	// ErrBusy: too many searches run already; 429.
	ErrBusy = errors.New("too many searches at once")
	// ErrTooSlow: the search took too long and was given up; 503.
	ErrTooSlow = errors.New("the search takes too long")
)

// Store is what the handlers need of the archive's truth. Missing calls are
// call.ErrNotFound, damaged cursors call.ErrBadCursor.
type Store interface {
	Load(ctx context.Context, key call.Key) (call.Record, error)
	LoadLight(ctx context.Context, key call.Key) (call.Record, error)
	Documents(ctx context.Context, key call.Key) (call.Documents, error)
	Versions(ctx context.Context, key call.Key) ([]call.Version, error)
	// History tells the life of a call, oldest event first.
	History(ctx context.Context, key call.Key) ([]call.Event, error)
	// OldestGap answers since when the part of a source is open that has been for
	// longest; ok is false when none is.
	OldestGap(ctx context.Context, source call.SourceID) (since time.Time, ok bool, err error)
	// Statements answers up to limit statements of one source, newest first.
	Statements(ctx context.Context, source call.SourceID, limit int) ([]call.Statement, error)
	List(ctx context.Context, q call.ListQuery) (call.List, error)
	Gaps(ctx context.Context, source call.SourceID, after string, limit int) (gaps []call.Gap, next string, err error)
	// Acknowledge answers call.ErrRefused for a part that is neither lost nor overdue.
	Acknowledge(ctx context.Context, key call.Key, part call.PartName, reason string) error
	Changes(ctx context.Context, since uint64, limit int) ([]call.Change, error)
	LastSeq() uint64
	// Updated is closed when the change feed grows, and then replaced.
	Updated() <-chan struct{}
}

// Searcher answers full-text searches.
type Searcher interface {
	Search(ctx context.Context, q call.SearchQuery) (call.SearchResult, error)
}

// Media opens recordings by their path inside the data folder.
type Media interface {
	Open(file string) (*os.File, error)
}

// Control reaches the rest of the daemon.
type Control interface {
	Status(ctx context.Context) (call.StatusReport, error)
	// Sync wakes a source, or all when source is empty, and returns at once;
	// call.ErrNotFound for an unknown source.
	Sync(ctx context.Context, source call.SourceID, full bool) error
	// AcceptVanished does the same with a full walk in which any number of calls
	// may have vanished at the vendor. by is who says that this is right.
	AcceptVanished(ctx context.Context, source call.SourceID, by string) error
	// Ready says why the daemon cannot answer yet; empty when it can. The
	// reasons are shown without a token, so they name nothing of the archive.
	Ready() []string
	Verify(ctx context.Context) (call.VerifyReport, error)
	Reindex(ctx context.Context) error
}

// Statistician counts calls over time.
type Statistician interface {
	// Stats answers the periods that hold calls, oldest first, and within a
	// period the groups by name with the unknown one last.
	Stats(ctx context.Context, q call.StatsQuery) ([]call.Stats, error)
}

// Options are the parts the API is made of; all but Version are required.
type Options struct {
	Store        Store
	Searcher     Searcher
	Media        Media
	Control      Control
	Statistician Statistician
	// Token is the bearer token; while it is empty every request that needs
	// one is refused.
	Token call.Secret
	// Hosts are the values of the Host header that are answered, exactly as
	// browsers send them: "127.0.0.1:7411", "[::1]:7411", "localhost:7411".
	Hosts []string
	// InstallID tells this archive from others on the machine, in letters,
	// digits, - and _. It is part of the name of the page's cookie, because
	// browsers send cookies to every port of a host.
	InstallID string
	Version   string
	Log       *slog.Logger
}

// server is the handler New returns.
type server struct {
	Options
	guard    *guard
	sessions *sessions
	mux      *http.ServeMux
	huma     huma.API
	media    chan struct{} // one slot for each recording being sent
}

// mediaStreams is how many recordings are sent at once.
const mediaStreams = 4

// New returns the API. It is safe for concurrent use and keeps no goroutines.
func New(o Options) http.Handler {
	open := newSessions(o.InstallID)
	s := &server{
		Options:  o,
		guard:    newGuard(o.Token, o.Hosts, open),
		sessions: open,
		mux:      http.NewServeMux(),
		media:    make(chan struct{}, mediaStreams),
	}
	s.huma = newHuma(s.mux, o.Version, open.cookie)
	s.registerCalls()
	s.registerHistory()
	s.registerStats()
	s.registerArchive()
	s.registerHealth()
	s.registerMetrics()
	s.registerSessions()
	s.serveOpenAPI()
	s.servePage()
	return s
}
