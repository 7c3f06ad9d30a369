package regula

import (
	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Page says which page of a list an answer is. TotalPages counts the pages that are known: where more follow, one more than Page.
type Page struct {
	Page       int `json:"page"`
	TotalPages int `json:"totalPages"`
}

// limit is how many entries are asked for at once, the most that the stream's lists have.
const limit = 100

// paged picks the page that the query asks for out of a list that next reads piece by piece, from the beginning.
func paged[T any](c *api.Call, next func(page *schema.PageQuery) (piece []T, after string, refusal *api.Problem)) (items []T, at Page, refusal *api.Problem) {
	which, refusal := number(c, "page", 1)
	if refusal != nil {
		return nil, at, refusal
	}
	size, refusal := number(c, "size", 1000)
	if refusal != nil {
		return nil, at, refusal
	}
	at, items = Page{which, which}, []T{}
	first := (which - 1) * size
	for seen, after := 0, ""; ; {
		piece, following, refusal := next(&schema.PageQuery{Limit: limit, After: after})
		if refusal != nil {
			return nil, at, refusal
		}
		for _, item := range piece {
			switch {
			case seen >= first+size:
				at.TotalPages = which + 1
				return items, at, nil
			case seen >= first:
				items = append(items, item)
			}
			seen++
		}
		if after = following; after == "" {
			at.TotalPages = max(1, (seen+size-1)/size)
			return items, at, nil
		}
	}
}
