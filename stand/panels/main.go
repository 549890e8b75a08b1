// Command panels has Prometheus' own engine evaluate expressions over scrapes. It reads one JSON object from standard input: `scrapes`, each
// with its time in milliseconds, what /metrics said and the labels of the target, and `queries`, each an expression over a range; and prints
// a list of series with their points for each query.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

type input struct {
	Scrapes []scrape `json:"scrapes"`
	Queries []query  `json:"queries"`
}

type scrape struct {
	At     int64             `json:"at"`
	Text   string            `json:"text"`
	Labels map[string]string `json:"labels"`
}

type query struct {
	Expression string `json:"expression"`
	// In milliseconds.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	Step  int64 `json:"step"`
}

type series struct {
	Labels map[string]string `json:"labels"`
	// Time in milliseconds and value; null where that is no number.
	Points [][2]*float64 `json:"points"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "panels: %v\n", err)
		os.Exit(1)
	}
}

func run(from io.Reader, to io.Writer) error {
	var asked input
	if err := json.NewDecoder(from).Decode(&asked); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "panels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	db, err := tsdb.Open(folder, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, one := range asked.Scrapes {
		if err := keep(db, one); err != nil {
			return err
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 10_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: parser.NewParser(parser.Options{}),
	})
	answers := make([][]series, len(asked.Queries))
	for index, one := range asked.Queries {
		if answers[index], err = evaluate(engine, db, one); err != nil {
			return fmt.Errorf("%s: %w", one.Expression, err)
		}
	}
	return json.NewEncoder(to).Encode(answers)
}

// Keeps what a target told, with the target's labels; of those that both have, the target's win, as without honorLabels.
func keep(db *tsdb.DB, one scrape) error {
	appender := db.Appender(context.Background())
	reader := textparse.NewOpenMetricsParser([]byte(one.Text), labels.NewSymbolTable())
	for {
		entry, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return appender.Commit()
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var told labels.Labels
		reader.Labels(&told)
		_, _, value := reader.Series()
		builder := labels.NewBuilder(told)
		for name, text := range one.Labels {
			if own := told.Get(name); own != "" {
				builder.Set("exported_"+name, own)
			}
			builder.Set(name, text)
		}
		if _, err := appender.Append(0, builder.Labels(), one.At, value); err != nil {
			return err
		}
	}
}

func evaluate(engine *promql.Engine, db *tsdb.DB, one query) ([]series, error) {
	step := time.Duration(one.Step) * time.Millisecond
	asked, err := engine.NewRangeQuery(context.Background(), db, nil, one.Expression, time.UnixMilli(one.Start), time.UnixMilli(one.End), step)
	if err != nil {
		return nil, err
	}
	defer asked.Close()
	matrix, err := asked.Exec(context.Background()).Matrix()
	if err != nil {
		return nil, err
	}
	all := []series{}
	for _, found := range matrix {
		points := [][2]*float64{}
		for _, point := range found.Floats {
			at, value := float64(point.T), point.F
			if math.IsNaN(value) || math.IsInf(value, 0) {
				points = append(points, [2]*float64{&at, nil})
			} else {
				points = append(points, [2]*float64{&at, &value})
			}
		}
		all = append(all, series{found.Metric.Map(), points})
	}
	return all, nil
}
