// Command gen generates openapi.json, the description of the gateway's API in OpenAPI 3.1, from the types of the API and the JSON Schemas
// of pkg/schema. `go generate ./internal/gateway/api` runs it in that folder.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

func main() {
	data, err := generate()
	if err == nil {
		err = os.WriteFile("openapi.json", data, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

type object = map[string]any

// generate returns the document. Its keys are sorted, so that it changes only with what it says.
func generate() ([]byte, error) {
	components := object{}
	request, err := load("request", components)
	if err != nil {
		return nil, err
	}
	result, err := load("result", components)
	if err != nil {
		return nil, err
	}
	config, err := load("operation-config", components)
	if err != nil {
		return nil, err
	}
	components["Result"], components["OperationConfig"] = result, config
	for name, value := range api.Types() {
		if components[name], err = reflected(value); err != nil {
			return nil, err
		}
	}
	components["Problem"].(object)["properties"].(object)["reason"] = object{"type": "string", "enum": causes(), "description": "The stable cause; docs/http-api.md and docs/reasons.md describe each"}
	components["Problem"].(object)["properties"].(object)["result"] = ref("Result")

	paths := object{
		"/v1/openapi.json": object{"get": object{
			"operationId": "description", "summary": "This description", "security": []any{},
			"responses": object{"200": content("The API in OpenAPI 3.1.", "application/json", object{"type": "object"}), "default": object{"$ref": "#/components/responses/Problem"}},
		}},
		"/v1/requests/{id}": object{"get": object{
			"operationId": "request", "summary": "The result of a request, whether it did what was asked or was refused; 202 while there is none",
			"parameters": []any{idParameter(), parameter("Prefer")},
			"responses":  responses(object{"200": content("The result.", "application/json", ref("Result")), "202": pending()}, 400, 401, 403, 404, 429, 503),
		}},
		"/v1/requests/{id}/images/{image}": object{"get": object{
			"operationId": "image", "summary": "An image of a result: one that the request named, or one that was made of these",
			"parameters": []any{idParameter(), object{"name": "image", "in": "path", "required": true,
				"description": "0 to 15: an image of the request; portrait: iso_image; document: cropped_document; face-0 to face-999: cropped_image_info of that face; barcode-0 to barcode-15: cropped_barcode",
				"schema":      object{"type": "string", "pattern": "^([0-9]|1[0-5]|portrait|document|face-(0|[1-9][0-9]{0,2})|barcode-([0-9]|1[0-5]))$"}}},
			"responses": responses(object{"200": object{"description": "The file.", "content": object{"*/*": object{"schema": object{"type": "string", "format": "binary"}}}}}, 400, 401, 403, 404, 413, 429, 503),
		}},
		"/v1/caller": object{"get": object{
			"operationId": "caller", "summary": "Who calls, and what they may do",
			"responses": responses(object{"200": content("The caller.", "application/json", ref("CallerInfo"))}, 401, 429, 503),
		}},
		"/v1/services": object{"get": object{
			"operationId": "services", "summary": "Health and metrics of the processes that this gateway can read (gateway.services); for operators",
			"responses": responses(object{"200": content("The processes, this one first.", "application/json", ref("Processes"))}, 401, 403, 429, 503),
		}},
		"/v1/results": object{"get": object{
			"operationId": "results", "summary": "Results as they come, as server-sent events named result, whose data is a result; without end",
			"parameters": streamParameters(),
			"responses":  responses(object{"200": content("The stream.", "text/event-stream", object{"type": "string"})}, 400, 401, 403, 429, 503),
		}},
	}
	for path, item := range deadLetters() {
		paths[path] = item
	}
	for _, op := range schema.Operations() {
		if op.Performed() {
			paths["/v1/"+string(op)] = operation(op, request)
		}
	}
	document := object{
		"openapi": "3.1.0",
		"info": object{"title": "facestream", "version": "1", "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "Each operation has a path. What it asks for goes through the stream, and the answer is its result. docs/http-api.md explains the API, docs/operations-reference.md every field of the results."},
		"servers":  []any{object{"url": "/"}},
		"security": []any{object{"token": []any{}}, object{"key": []any{}}},
		"paths":    paths,
		"components": object{
			"schemas": components,
			"securitySchemes": object{
				"token": object{"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
				"key":   object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
			},
			"responses": object{"Problem": content("Why it was not done.", "application/problem+json", ref("Problem"))},
			"parameters": object{
				"Idempotency-Key": object{"name": "Idempotency-Key", "in": "header", "description": "Requests of one caller with one key are one request.",
					"schema": object{"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]{1,255}$"}},
				"Prefer": object{"name": "Prefer", "in": "header", "description": "respond-async: do not wait for the result. wait=SECONDS: wait no longer than that.",
					"schema": object{"type": "string"}, "examples": object{"at once": object{"value": "respond-async"}}},
			},
		},
	}
	data, err := json.MarshalIndent(document, "", "  ")
	return append(data, '\n'), err
}

// load reads a schema of pkg/schema, enters its definitions into the components, and refers to them there.
func load(name string, components object) (object, error) {
	data, err := fs.ReadFile(schema.Schemas(), name+".schema.json")
	if err != nil {
		return nil, err
	}
	return decode(data, components)
}

func decode(data []byte, components object) (object, error) {
	data = bytes.ReplaceAll(data, []byte(`"#/$defs/`), []byte(`"#/components/schemas/`))
	var s object
	if err := json.Unmarshal(data, &s); err != nil {
		return nil, err
	}
	definitions, _ := s["$defs"].(object)
	for _, key := range []string{"$defs", "$schema", "$id"} {
		delete(s, key)
	}
	for name, definition := range definitions {
		if name == "ObjectRef" && components[name] != nil { // that of results comes later: it takes whatever a request said
			components[name] = definition
		} else if components[name] == nil {
			components[name] = definition
		}
	}
	return s, nil
}

// reflected returns the schema of a type of the API.
func reflected(value any) (object, error) {
	r := &jsonschema.Reflector{Anonymous: true, DoNotReference: true, AllowAdditionalProperties: true}
	data, err := json.Marshal(r.Reflect(value))
	if err != nil {
		return nil, err
	}
	return decode(data, object{})
}

func ref(name string) object { return object{"$ref": "#/components/schemas/" + name} }

func parameter(name string) object { return object{"$ref": "#/components/parameters/" + name} }

func idParameter() object {
	return object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$"}}
}

func content(description, kind string, s object) object {
	return object{"description": description, "content": object{kind: object{"schema": s}}}
}

func pending() object {
	answer := content("The request is durable. Its result will be at the address in Location.", "application/json", ref("Accepted"))
	answer["headers"] = object{"Location": object{"schema": object{"type": "string"}}, "Retry-After": object{"schema": object{"type": "integer"}}}
	return answer
}

// responses adds the problems with these statuses.
func responses(good object, statuses ...int) object {
	for _, s := range statuses {
		good[strconv.Itoa(s)] = object{"$ref": "#/components/responses/Problem"}
	}
	good["default"] = object{"$ref": "#/components/responses/Problem"}
	return good
}

// operation describes the path of op, whose bodies have the fields of request.
func operation(op schema.Operation, request object) object {
	least, most := op.Images(), op.MaxImages()
	fields := maps.Clone(request["properties"].(object))
	delete(fields, "operation")
	delete(fields, "images")
	fields["id"] = object{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", "description": "Another way to name a request than Idempotency-Key: equal ids mean the same request. The answer to a challenge has the id that the challenge names."}
	fields["collection"] = object{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", "description": "Default: config.collection_name, else \"default\""}
	if op != schema.OpAntiSpoofing {
		delete(fields, "challenge")
	}
	for name := range fields {
		if !means(op, name) {
			delete(fields, name)
		}
	}
	body := func(images string, item object) object {
		s := object{"type": "object", "additionalProperties": false, "properties": maps.Clone(fields)}
		if most > 0 {
			s["properties"].(object)[images] = object{"type": "array", "minItems": least, "maxItems": most, "items": item}
			s["required"] = []any{images}
		}
		if op.NeedsPerson() {
			s["anyOf"] = []any{object{"required": []any{"puid"}}, object{"required": []any{"external_id"}}}
		}
		return s
	}
	form := body("image", object{"type": "string", "format": "binary", "description": "A file, or a text s3://bucket/key"})
	encoding := object{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field := fields[name].(object)
		if field["$ref"] != nil || field["type"] == "object" || field["type"] == "array" {
			encoding[name] = object{"contentType": "application/json"}
		}
	}
	bodies := object{
		"application/json":    object{"schema": body("images", object{"type": "string", "minLength": 1, "description": "The content in base64, or s3://bucket/key"})},
		"multipart/form-data": object{"schema": form, "encoding": encoding},
	}
	return object{"post": object{
		"operationId": string(op), "summary": "Carry out " + strings.ReplaceAll(string(op), "_", " "),
		"description": "docs/operations-reference.md describes " + string(op) + ".",
		"parameters":  []any{parameter("Idempotency-Key"), parameter("Prefer")},
		"requestBody": object{"required": true, "content": bodies},
		"responses": responses(object{"200": content("The result. Its call_status says what became of it.", "application/json", ref("Result")), "202": pending()},
			400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503),
	}}
}

// means reports whether a field means something to op, as [schema.Request.Normalize] judges it.
func means(op schema.Operation, field string) bool {
	for _, value := range []string{`"x"`, `{}`, `[]`, `true`, `1`} { // one of them is of its type
		r, problems := schema.DecodeRequest(fmt.Appendf(nil, `{"id":"x","operation":%q,%q:%s}`, string(op), field, value))
		if len(problems) > 0 {
			continue
		}
		for _, p := range r.Normalize() {
			if p.Field == field && strings.HasPrefix(p.Message, "means nothing") {
				return false
			}
		}
	}
	return true
}

func streamParameters() []any {
	list := func(name, description string, item object) object {
		return object{"name": name, "in": "query", "description": description + "; several are alternatives", "schema": object{"type": "array", "items": item}, "explode": true}
	}
	var operations, reasons []any
	for _, op := range schema.Operations() {
		operations = append(operations, op)
	}
	reasons = append(reasons, "none")
	for _, r := range schema.Reasons() {
		reasons = append(reasons, r.Reason)
	}
	return []any{
		list("operation", "Results of this operation", object{"type": "string", "enum": operations}),
		list("collection", "Results about this collection", object{"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"}),
		list("reason", "Results with this reason; none: with none", object{"type": "string", "enum": reasons}),
		object{"name": "status", "in": "query", "description": "done: return code 0, whatever the answer; refused: others", "schema": object{"type": "string", "enum": []any{"done", "refused"}}},
		object{"name": "Last-Event-ID", "in": "header", "description": "The id of the last event that was received: the stream goes on behind it.", "schema": object{"type": "string", "pattern": "^[0-9]+:[0-9]+(,[0-9]+:[0-9]+)*$"}},
	}
}

// causes lists the reasons of problems.
func causes() []any {
	var all []any
	for _, c := range api.Causes() {
		all = append(all, c.Cause)
	}
	for _, r := range schema.Reasons() {
		all = append(all, r.Reason)
	}
	return all
}

// deadLetters describes what operators alone may do.
func deadLetters() object {
	id := object{"name": "id", "in": "path", "required": true, "schema": object{"type": "string", "pattern": "^[0-9]{1,4}-[0-9]{1,12}$"}}
	one := content("The dead letter.", "application/json", ref("DeadLetter"))
	return object{
		"/v1/dead-letters": object{"get": object{
			"operationId": "dead_letters", "summary": "Records that could be neither handled nor answered; for operators",
			"parameters": []any{object{"name": "limit", "in": "query", "schema": object{"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}}},
			"responses":  responses(object{"200": content("The oldest dead letters, without their values.", "application/json", ref("DeadLetters"))}, 400, 401, 403, 429, 503),
		}},
		"/v1/dead-letters/{id}": object{"get": object{
			"operationId": "dead_letter", "summary": "One of them, with the value of its record; for operators", "parameters": []any{id},
			"responses": responses(object{"200": one}, 400, 401, 403, 404, 429, 503),
		}},
		"/v1/dead-letters/{id}/replay": object{"post": object{
			"operationId": "replay", "summary": "Write its record to its topic again; for operators", "parameters": []any{id},
			"responses": responses(object{"200": one}, 400, 401, 403, 404, 429, 503),
		}},
	}
}
