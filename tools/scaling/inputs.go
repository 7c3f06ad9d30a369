package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

//go:embed inputs.json
var measured []byte

// input is a number, its unit, and where it comes from.
type input struct {
	Name, Unit, Source string
	Value              float64
}

// inputs are those of a run, in the order of their file.
type inputs struct {
	list   []input
	values map[string]float64
}

// settings are values that a command line gives instead.
type settings []string

func (s *settings) String() string { return strings.Join(*s, " ") }

// Set implements flag.Value.
func (s *settings) Set(v string) error {
	*s = append(*s, v)
	return nil
}

// readInputs reads the inputs of a file, "" for those that are a part of the program.
func readInputs(file string, changed settings) (inputs, error) {
	text := measured
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return inputs{}, err
		}
	}
	in := inputs{values: map[string]float64{}}
	if err := json.Unmarshal(text, &in.list); err != nil {
		return in, err
	}
	for _, i := range in.list {
		in.values[i.Name] = i.Value
	}
	var known []input
	if err := json.Unmarshal(measured, &known); err != nil {
		return in, err
	}
	for _, k := range known {
		if _, ok := in.values[k.Name]; !ok {
			return in, fmt.Errorf("%s has no input %q", file, k.Name)
		}
	}
	if len(in.values) != len(known) {
		return in, fmt.Errorf("%s has inputs that are not in use", file)
	}
	for _, s := range changed {
		name, text, _ := strings.Cut(s, "=")
		value, err := strconv.ParseFloat(text, 64)
		if _, ok := in.values[name]; !ok || err != nil {
			return in, fmt.Errorf("%q is not the name of an input and its value", s)
		}
		in.values[name] = value
		for i := range in.list {
			if in.list[i].Name == name {
				in.list[i].Value, in.list[i].Source = value, "given"
			}
		}
	}
	for _, i := range in.list {
		if free := i.Value == 0 && strings.HasPrefix(i.Name, "price_"); !free && !(i.Value > 0 && i.Value < 1e12) {
			return in, fmt.Errorf("%s is %v; it must be above 0", i.Name, i.Value)
		}
	}
	return in, nil
}

// of is the value of an input. A name that no file may lack is a mistake of this program.
func (in inputs) of(name string) float64 {
	v, ok := in.values[name]
	if !ok {
		panic("no input " + name)
	}
	return v
}
