package api

import (
	"net/http"
	"time"

	"facestream/internal/gateway/auth"
)

// CallerInfo says who calls, and what they may do. In a pattern, * stands for any characters.
type CallerInfo struct {
	Name        string     `json:"name" jsonschema:"description=By which limits and repeats are counted"`
	Operations  []string   `json:"operations" jsonschema:"description=Patterns of the operations that the caller may ask for"`
	Collections []string   `json:"collections" jsonschema:"description=Patterns of the collections that the caller may use"`
	Objects     []string   `json:"objects,omitempty" jsonschema:"description=Patterns of the objects\\, bucket/key\\, that the caller may name as images"`
	Operator    bool       `json:"operator" jsonschema:"description=May see and replay dead letters\\, and see the services"`
	Until       *time.Time `json:"until,omitempty" jsonschema:"description=When the token ends; absent for a key"`
}

// serveCaller tells callers what they may do.
func (s *Service) serveCaller(w http.ResponseWriter, _ *http.Request, caller *auth.Caller) *Problem {
	info := CallerInfo{Name: caller.Name, Operations: orEmpty(caller.Operations), Collections: orEmpty(caller.Collections), Objects: caller.Objects, Operator: caller.Operator}
	if !caller.Until.IsZero() {
		until := caller.Until.UTC()
		info.Until = &until
	}
	writeJSON(w, http.StatusOK, info)
	return nil
}

// orEmpty lets an absent list be an empty one in JSON.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
