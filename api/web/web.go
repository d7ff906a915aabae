// Package web holds the files of the page: plain HTML, CSS and ES modules,
// served as they are. The page talks to the API of the daemon it came from and
// to nothing else.
package web

import "embed"

// Files are the files of the page. They hold nothing of any archive.
//
//go:embed index.html *.css *.js *.svg
var Files embed.FS
