package main

// keepPrivate does nothing: files get the access list of their folder, and
// crashes are not written to disk unless the machine is told to.
func keepPrivate() {}
