// Package provider runs vendor descriptions. A vendor is one page of YAML (see
// docs/provider-format.md): how to sign in, how its list of calls is walked,
// which further documents a call has, and how jq expressions turn those
// documents into a call.Call. One interpreter runs all of them, so nothing in
// this package knows a vendor by name.
//
// Parse checks a description completely and offline. New binds it to one
// account; the resulting Provider is safe for concurrent use.
package provider
