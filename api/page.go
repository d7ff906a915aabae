package api

import (
	"net/http"
	"path"
	"strings"

	"callsyncd/api/web"
)

// pagePrefix is where the files of the page are; the page itself is at /.
const pagePrefix = "/page/"

// isPage reports whether r asks for a file of the page.
func isPage(r *http.Request) bool {
	return !mayChange(r) && (r.URL.Path == "/" || strings.HasPrefix(r.URL.Path, pagePrefix))
}

// pageTypes are the media types of the page's files, whatever the operating
// system thinks of their names.
var pageTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

func (s *server) servePage() {
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { servePageFile(w, "index.html") })
	s.mux.HandleFunc("GET "+pagePrefix+"{file}", func(w http.ResponseWriter, r *http.Request) { servePageFile(w, r.PathValue("file")) })
}

func servePageFile(w http.ResponseWriter, name string) {
	media := pageTypes[path.Ext(name)]
	content, err := web.Files.ReadFile(name)
	if err != nil || media == "" {
		noSuchPath().write(w)
		return
	}
	w.Header().Set("Content-Type", media)
	_, _ = w.Write(content) // nobody is left to tell
}
