package eval

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// PeopleFile is the list of people with their ages below the folder of evaluation data.
const PeopleFile = "labelled/ages/ages.csv"

// someone is a photograph of one person and what the list says about the person.
type someone struct {
	file   string            // relative to the list's folder, with slashes
	age    float64           // years, or -1 if the list does not say
	groups map[string]string // by the title of the column: "sex" to "female"
}

// readSomeones reads a list of photographs of single people. Its first line has titles, the first "file", which is a path
// relative to the list. "age" is the age in years. Every other column is a grouping: people with the same text are one
// group. An empty cell puts nobody into a group.
func readSomeones(list string) ([]someone, error) {
	text, err := os.ReadFile(list)
	if err != nil {
		return nil, dataError(err)
	}
	all, err := parseSomeones(text)
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", list, err))
	}
	return all, nil
}

func parseSomeones(text []byte) ([]someone, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) < 2 || rows[0][0] != "file" {
		return nil, errors.New(`it must have a line of titles, the first "file", and a line for each photograph`)
	}
	var all []someone
	for i, row := range rows[1:] {
		s := someone{file: row[0], age: -1, groups: map[string]string{}}
		if !filepath.IsLocal(filepath.FromSlash(s.file)) {
			return nil, fmt.Errorf("line %d: %q is not a path below the list's folder", i+2, s.file)
		}
		for c, value := range row[1:] {
			switch title := rows[0][c+1]; {
			case value == "":
			case title == "age":
				if s.age, err = strconv.ParseFloat(value, 64); err != nil || s.age < 0 || s.age > 130 {
					return nil, fmt.Errorf("line %d: age is %q; it must be a number of years", i+2, value)
				}
			default:
				s.groups[title] = value
			}
		}
		all = append(all, s)
	}
	return all, nil
}

func filesOf(all []someone) []string {
	files := make([]string, len(all))
	for i, s := range all {
		files[i] = s.file
	}
	return files
}

// ageBands are the lowest ages of the bands into which people fall by their age.
var ageBands = []float64{0, 18, 30, 45, 60}

// band returns the band of an age in years: "18-29".
func band(age float64) string {
	i := len(ageBands) - 1
	for ageBands[i] > age {
		i--
	}
	if i == len(ageBands)-1 {
		return fmt.Sprintf("%v+", ageBands[i])
	}
	return fmt.Sprintf("%v-%v", ageBands[i], ageBands[i+1]-1)
}

// grouped returns the indexes of the people of each group, by the names "title: value". Ages form the groups of the title
// "age".
func grouped(all []someone) map[string]map[string][]int {
	groups := map[string]map[string][]int{}
	put := func(title, value string, i int) {
		if groups[title] == nil {
			groups[title] = map[string][]int{}
		}
		groups[title][value] = append(groups[title][value], i)
	}
	for i, s := range all {
		if s.age >= 0 {
			put("age", band(s.age), i)
		}
		for _, title := range slices.Sorted(maps.Keys(s.groups)) {
			put(title, s.groups[title], i)
		}
	}
	return groups
}
