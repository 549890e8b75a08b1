package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	luajson "layeh.com/gopher-json"
	"sigs.k8s.io/yaml"
)

// Argo CD's health of a resource.
type health struct {
	Status  string `json:"status"`
	Message string `json:"message,omitempty"`
}

// What a script of Argo CD may answer.
var statuses = []string{"Healthy", "Progressing", "Degraded", "Suspended", "Missing", "Unknown"}

// Runs a script as Argo CD's util/lua does: the same interpreter, the libraries that it opens for scripts from its configuration
// (base, table, package and a safe os, no string and no math), the same second. util/lua itself takes 1,410 packages to build for
// these hundred lines: it runs the same tests by `make argocd`.
func run(object *unstructured.Unstructured, script string) (any, error) {
	state := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer state.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		call := lua.P{Fn: state.NewFunction(library.open), NRet: 0, Protect: true}
		if err := state.CallByParam(call, lua.LString(library.name)); err != nil {
			return nil, err
		}
	}
	state.PreloadModule(lua.OsLibName, safeOs)
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	state.SetContext(limit)
	state.SetGlobal("actionParams", state.CreateTable(0, 0))
	// As Argo CD does: whole numbers of JSON are Lua's only kind of number.
	text, err := object.MarshalJSON()
	if err != nil {
		return nil, err
	}
	value, err := luajson.Decode(state, text)
	if err != nil {
		return nil, err
	}
	state.SetGlobal("obj", value)
	if err := state.DoString(script); err != nil {
		return nil, err
	}
	answer := state.Get(-1)
	if answer.Type() != lua.LTTable {
		return nil, fmt.Errorf("expect table output from Lua script, not %s", answer.Type())
	}
	encoded, err := luajson.Encode(answer)
	if err != nil {
		return nil, err
	}
	var result any
	err = json.Unmarshal(encoded, &result)
	return result, err
}

// The formats of os.date that ours use, in UTC, as Go says them.
var dates = map[string]string{"!%Y-%m-%dT%XZ": "2006-01-02T15:04:05Z", "!%Y%m%dt%H%M%Sz": "20060102t150405z"}

// The two functions of os that Argo CD leaves to scripts, as far as ours use them.
func safeOs(state *lua.LState) int {
	functions := map[string]lua.LGFunction{
		"time": func(state *lua.LState) int { state.Push(lua.LNumber(now().Unix())); return 1 },
		"date": func(state *lua.LState) int {
			format, known := dates[state.CheckString(1)]
			if !known {
				state.RaiseError("this format of os.date is not known here")
			}
			state.Push(lua.LString(now().UTC().Format(format)))
			return 1
		},
	}
	state.Push(state.SetFuncs(state.NewTable(), functions))
	return 1
}

// Replaced by tests of actions.
var now = time.Now

func script(customizations string, object *unstructured.Unstructured, path ...string) (string, error) {
	folder := filepath.Join(customizations, object.GroupVersionKind().Group, object.GetKind())
	text, err := os.ReadFile(filepath.Join(append([]string{folder}, path...)...))
	return string(text), err
}

func argoHealth(customizations string, object *unstructured.Unstructured) (health, error) {
	// Argo CD asks no script about what is being deleted.
	if object.GetDeletionTimestamp() != nil {
		return health{Status: "Progressing", Message: "Pending deletion"}, nil
	}
	text, err := script(customizations, object, "health.lua")
	if err != nil {
		return health{}, err
	}
	answer, err := run(object, text)
	if err != nil {
		return health{}, fmt.Errorf("%s/%s: %w", object.GetKind(), object.GetName(), err)
	}
	var said health
	encoded, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(encoded, &said)
	}
	for _, known := range statuses {
		if said.Status == known {
			return said, err
		}
	}
	return health{}, fmt.Errorf("%s/%s: %q is no health of Argo CD", object.GetKind(), object.GetName(), said.Status)
}

// Argo CD's files of tests.
type healthTests struct {
	Tests []struct {
		InputPath    string `json:"inputPath"`
		HealthStatus health `json:"healthStatus"`
	} `json:"tests"`
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string           `json:"inputPath"`
		Result    []map[string]any `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// Runs all tests; answers how many there were by what is printed, and what failed by the error.
func upstream(customizations string) error {
	scripts, err := filepath.Glob(filepath.Join(customizations, "*", "*", "health.lua"))
	if err != nil || len(scripts) == 0 {
		return fmt.Errorf("no health.lua in %s", customizations)
	}
	now = func() time.Time { return time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC) }
	count, failed := 0, []string{}
	check := func(name string, have, want any) {
		count++
		if !reflect.DeepEqual(plain(have), plain(want)) {
			haveText, _ := yaml.Marshal(have)
			wantText, _ := yaml.Marshal(want)
			failed = append(failed, fmt.Sprintf("%s is\n%swanted is\n%s", name, haveText, wantText))
		}
	}
	for _, path := range scripts {
		folder := filepath.Dir(path)
		if err := healthOf(customizations, folder, check); err != nil {
			return err
		}
		if _, err := os.Stat(filepath.Join(folder, "actions")); err == nil {
			if err := actionsOf(customizations, folder, check); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d kinds, %d tests\n", len(scripts), count)
	if len(failed) > 0 {
		return fmt.Errorf("%d of them failed:\n%s", len(failed), strings.Join(failed, "\n"))
	}
	return nil
}

func healthOf(customizations, folder string, check func(string, any, any)) error {
	var tests healthTests
	if err := read(filepath.Join(folder, "health_test.yaml"), &tests); err != nil {
		return err
	}
	inputs, _ := filepath.Glob(filepath.Join(folder, "testdata", "*.yaml"))
	if len(inputs) != len(tests.Tests) {
		return fmt.Errorf("%s: %d files in testdata, %d tests", folder, len(inputs), len(tests.Tests))
	}
	for _, test := range tests.Tests {
		object, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		said, err := argoHealth(customizations, object)
		if err != nil {
			return err
		}
		check(filepath.Join(folder, test.InputPath), said, test.HealthStatus)
	}
	return nil
}

func actionsOf(customizations, folder string, check func(string, any, any)) error {
	var tests actionTests
	folder = filepath.Join(folder, "actions")
	if err := read(filepath.Join(folder, "action_test.yaml"), &tests); err != nil {
		return err
	}
	for _, test := range tests.DiscoveryTests {
		object, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		found, err := discovered(customizations, object)
		if err != nil {
			return err
		}
		wanted := map[string]any{}
		for _, action := range test.Result {
			name := action["name"].(string)
			delete(action, "name")
			wanted[name] = action
		}
		check(filepath.Join(folder, test.InputPath), found, wanted)
	}
	for _, test := range tests.ActionTests {
		object, err := readObject(filepath.Join(folder, test.InputPath))
		if err != nil {
			return err
		}
		done, err := impacted(customizations, object, test.Action)
		if err != nil {
			return fmt.Errorf("%s %s: %w", test.Action, test.InputPath, err)
		}
		wanted, err := wantedOf(filepath.Join(folder, test.ExpectedOutputPath))
		if err != nil {
			return err
		}
		check(filepath.Join(folder, test.Action, test.InputPath), done, wanted)
	}
	return nil
}

// What an action does to a resource, as Argo CD's tests write it.
type impact struct {
	Operation string         `json:"k8sOperation"`
	Object    map[string]any `json:"unstructuredObj"`
}

// What an action does: a script answers the object as it is to be, or a list of operations.
func impacted(customizations string, object *unstructured.Unstructured, action string) ([]impact, error) {
	text, err := script(customizations, object, "actions", action, "action.lua")
	if err != nil {
		return nil, err
	}
	answer, err := run(object, text)
	if err != nil {
		return nil, err
	}
	operations, isList := answer.([]any)
	if !isList {
		whole, isObject := answer.(map[string]any)
		if !isObject {
			return nil, fmt.Errorf("%s answers neither an object nor operations", action)
		}
		return []impact{{"patch", whole}}, nil
	}
	var all []impact
	for _, one := range operations {
		said, _ := one.(map[string]any)
		operation, _ := said["operation"].(string)
		resource, _ := said["resource"].(map[string]any)
		if (operation != "create" && operation != "patch") || resource == nil {
			return nil, fmt.Errorf("%s: an operation is 'create' or 'patch' of a resource", action)
		}
		all = append(all, impact{operation, resource})
	}
	return all, nil
}

// An object as it is to be, or a list of what is done to which.
func wantedOf(path string) ([]impact, error) {
	var list []impact
	if read(path, &list) == nil {
		return list, nil
	}
	object, err := readObject(path)
	if err != nil {
		return nil, err
	}
	return []impact{{"patch", object.Object}}, nil
}

// Prints what an action does to the object on standard input.
func act(customizations, action string) error {
	object := &unstructured.Unstructured{}
	text, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if err := object.UnmarshalJSON(text); err != nil {
		return fmt.Errorf("standard input is not a Kubernetes object: %w", err)
	}
	done, err := impacted(customizations, object, action)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(done)
}

// The actions that Argo CD offers for an object, by name.
func discovered(customizations string, object *unstructured.Unstructured) (any, error) {
	text, err := script(customizations, object, "actions", "discovery.lua")
	if err != nil {
		return nil, err
	}
	return run(object, text)
}

func read(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readObject(path string) (*unstructured.Unstructured, error) {
	object := &unstructured.Unstructured{}
	if err := read(path, &object.Object); err != nil {
		return nil, err
	}
	return object, nil
}

// As JSON has it, so that an int64 and a float64 of the same value are the same. Lua knows no difference between an empty list and
// an empty object, which Argo CD mends by the object that there was; neither is compared here.
func plain(value any) any {
	text, _ := json.Marshal(value)
	var result any
	_ = json.Unmarshal(text, &result)
	return withoutEmpty(result)
}

func withoutEmpty(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			inner = withoutEmpty(inner)
			if list, is := inner.([]any); is && len(list) == 0 {
				delete(value, key)
			} else if object, is := inner.(map[string]any); is && len(object) == 0 {
				delete(value, key)
			} else {
				value[key] = inner
			}
		}
	case []any:
		for index := range value {
			value[index] = withoutEmpty(value[index])
		}
	}
	return value
}
