package main

// rest are attacks that should be stopped and are not yet, each with the reason. One that breaks something is open, and names what
// happened; take it out of this list when it holds.
func rest() map[string]string { return map[string]string{} }

// unstopped are the attacks that nothing stops: what would is not part of facestream. docs/security.md says why.
func unstopped() []attack {
	const (
		tenants    = "facestream has no tenants: whoever may write to a topic may ask about every collection"
		encryption = "facestream does not encrypt what it stores: use an encrypted volume, and a store and a broker that encrypt"
		templates  = "facestream does not protect templates: an embedding can be compared and, with effort, inverted"
	)
	return []attack{
		{name: "another-tenants-collection", actor: "tenant", tried: "a search in the collection of another tenant", open: tenants},
		{name: "another-tenants-people", actor: "tenant", tried: "user_delete of another tenant's person", open: tenants},
		{name: "another-tenants-results", actor: "tenant", tried: "reading another tenant's results on the shared topic", open: tenants},
		{name: "another-tenants-capacity", actor: "tenant", tried: "a million requests, so that others wait", open: tenants},
		{name: "copied-gallery", actor: "somebody with the disk", tried: "a copy of gallery.db, read elsewhere", open: encryption},
		{name: "copied-topics", actor: "somebody with the disk", tried: "the broker's segments, which hold templates for hours", open: encryption},
		{name: "rewritten-gallery", actor: "somebody with the disk", tried: "another vector in a row, with its checksum made anew", open: "checksums find damage; who may write files may compute them, too"},
		{name: "inverted-template", actor: "somebody with the disk", tried: "a face drawn from an embedding", open: templates},
		{name: "linked-templates", actor: "consumer", tried: "the same person found in two collections by comparing their embeddings", open: templates},
		{name: "open-transaction", actor: producer, tried: "a transaction that stays open and holds up its partition", open: "the broker ends it after transaction.timeout.ms; grant no TransactionalId to producers that need none"},
		{name: "dishonest-network", actor: "model file", tried: "a network that says what its maker wants about a chosen face", open: "a hash says which file it is and not what it does; only evaluation and trust in its source help"},
		{name: "presentation", actor: uploader, tried: "a mask, a screen or an injected film before the camera", open: "liveness has error rates, which docs/accuracy.md measures; see also ADR 16"},
	}
}
