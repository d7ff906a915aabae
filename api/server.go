package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// answerTime is how long an answer may take once its work is done, and how
// long ordinary work with its answer may take.
const answerTime = 30 * time.Second

type stoppingKey struct{}

// stopping is closed when the server of ctx begins to shut down; nil, which
// never happens, for in-process requests.
func stopping(ctx context.Context) <-chan struct{} {
	stop, _ := ctx.Value(stoppingKey{}).(chan struct{})
	return stop
}

// Server returns an http.Server for h with limits on everything a client can
// hold up. Long polls end when its Shutdown begins. The caller limits the
// number of connections, by its listener.
func Server(h http.Handler, log *slog.Logger) *http.Server {
	stop := make(chan struct{})
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      answerTime, // moved by long polls, recordings and verify
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		// OPTIONS * is answered by the guard, like everything else.
		DisableGeneralOptionsHandler: true,
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.Background(), stoppingKey{}, stop)
		},
	}
	srv.RegisterOnShutdown(sync.OnceFunc(func() { close(stop) }))
	return srv
}
