// Command promql reads PromQL expressions as a JSON list from standard input, has Prometheus' own parser read them, and prints the
// metrics that each one names. The exit code is 1 if one cannot be read.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

func main() {
	var expressions []string
	if err := json.NewDecoder(os.Stdin).Decode(&expressions); err != nil {
		fmt.Fprintf(os.Stderr, "promql: standard input is not a list of texts as JSON: %v\n", err)
		os.Exit(2)
	}
	code, named := 0, make([][]string, len(expressions))
	for index, text := range expressions {
		expression, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		if err != nil {
			fmt.Fprintf(os.Stderr, "promql: %s: %v\n", text, err)
			code = 1
			continue
		}
		parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
			if selector, is := node.(*parser.VectorSelector); is && !slices.Contains(named[index], selector.Name) {
				named[index] = append(named[index], selector.Name)
			}
			return nil
		})
	}
	if err := json.NewEncoder(os.Stdout).Encode(named); err != nil {
		os.Exit(1)
	}
	os.Exit(code)
}
