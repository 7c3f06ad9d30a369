package main

import (
	"bytes"
	"os"
	"testing"

	"facestream/internal/gateway/api"
)

func TestDescriptionIsUpToDate(t *testing.T) {
	want, err := generate()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) || !bytes.Equal(api.Description(), want) {
		t.Error("internal/gateway/api/openapi.json is out of date; run `make generate`")
	}
}
