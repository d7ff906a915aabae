// Package api is the local HTTP API: it answers questions about the archive
// and wakes the sync. Handlers read through the small interfaces of Options;
// the OpenAPI document at /openapi.json is made from the same tables and types
// the handlers run on.
//
// The archive holds what people said on the phone, and any web page in a
// browser on this machine can send requests to loopback. So every request
// passes the checks of guard.go before a handler sees it, and nothing is ever
// answered to another origin.
package api
