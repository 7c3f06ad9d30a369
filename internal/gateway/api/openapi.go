package api

import (
	_ "embed"
	"net/http"

	"facestream/internal/gateway/auth"
)

//go:embed openapi.json
var description []byte

// Description is the API in OpenAPI 3.1.
func Description() []byte { return description }

func serveDescription(w http.ResponseWriter, _ *http.Request, _ *auth.Caller) *Problem {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(description)
	return nil
}
