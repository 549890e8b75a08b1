// Runs the tests of a folder of resource_customizations by Argo CD's own engine, as a server runs them that has the scripts in
// its configuration (`argocd-cm`): health by gitops-engine, actions by util/lua.
//
//	argocd FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"

	argo "github.com/argoproj/argo-cd/v3/pkg/apis/application/v1alpha1"
	"github.com/argoproj/argo-cd/v3/util/lua"
	"github.com/argoproj/gitops-engine/pkg/health"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// Argo CD's files of tests.
type healthTests struct {
	Tests []struct {
		InputPath    string              `json:"inputPath"`
		HealthStatus health.HealthStatus `json:"healthStatus"`
	} `json:"tests"`
}

type actionTests struct {
	DiscoveryTests []struct {
		InputPath string                `json:"inputPath"`
		Result    []argo.ResourceAction `json:"result"`
	} `json:"discoveryTests"`
	ActionTests []struct {
		Action             string `json:"action"`
		InputPath          string `json:"inputPath"`
		ExpectedOutputPath string `json:"expectedOutputPath"`
	} `json:"actionTests"`
}

// What an action does to a resource, as Argo CD's tests write it.
type impact struct {
	Operation string         `json:"k8sOperation"`
	Object    map[string]any `json:"unstructuredObj"`
}

// The moment that the files take for now, and how scripts write one.
var (
	moment  = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)
	formats = map[string]*regexp.Regexp{
		"2006-01-02T15:04:05Z": regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ`),
		"20060102t150405z":     regexp.MustCompile(`\d{8}t\d{6}z`),
	}
)

type suite struct {
	overrides map[string]argo.ResourceOverride
	count     int
	failed    []string
}

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: argocd FOLDER"))
	}
	folders, err := filepath.Glob(filepath.Join(os.Args[1], "*", "*"))
	if err != nil || len(folders) == 0 {
		fail(fmt.Errorf("no kinds in %s", os.Args[1]))
	}
	all := &suite{overrides: map[string]argo.ResourceOverride{}}
	for _, folder := range folders {
		fail(all.configure(folder))
	}
	for _, folder := range folders {
		fail(all.health(folder))
		fail(all.actions(filepath.Join(folder, "actions")))
	}
	fmt.Printf("%d kinds, %d tests by Argo CD's own engine\n", len(folders), all.count)
	if len(all.failed) > 0 {
		fail(fmt.Errorf("%d of them failed:\n%s", len(all.failed), strings.Join(all.failed, "\n")))
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What `argocd-cm` says of a kind.
func (all *suite) configure(folder string) error {
	script, err := os.ReadFile(filepath.Join(folder, "health.lua"))
	if err != nil {
		return err
	}
	override := argo.ResourceOverride{HealthLua: string(script)}
	actions := argo.ResourceActions{}
	if discovery, err := os.ReadFile(filepath.Join(folder, "actions", "discovery.lua")); err == nil {
		actions.ActionDiscoveryLua = string(discovery)
		scripts, _ := filepath.Glob(filepath.Join(folder, "actions", "*", "action.lua"))
		for _, path := range scripts {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			name := filepath.Base(filepath.Dir(path))
			actions.Definitions = append(actions.Definitions, argo.ResourceActionDefinition{Name: name, ActionLua: string(text)})
		}
		text, err := yaml.Marshal(actions)
		if err != nil {
			return err
		}
		override.Actions = string(text)
	}
	all.overrides[filepath.Base(filepath.Dir(folder))+"/"+filepath.Base(folder)] = override
	return nil
}

func (all *suite) health(folder string) error {
	var tests healthTests
	if err := read(filepath.Join(folder, "health_test.yaml"), &tests); err != nil {
		return err
	}
	for _, test := range tests.Tests {
		path := filepath.Join(folder, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		said, err := health.GetResourceHealth(object, lua.ResourceHealthOverrides(all.overrides))
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all.check(path, said, test.HealthStatus)
	}
	return nil
}

func (all *suite) actions(folder string) error {
	if _, err := os.Stat(folder); err != nil {
		return nil
	}
	var tests actionTests
	if err := read(filepath.Join(folder, "action_test.yaml"), &tests); err != nil {
		return err
	}
	engine := lua.VM{ResourceOverrides: all.overrides}
	for _, test := range tests.DiscoveryTests {
		path := filepath.Join(folder, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		scripts, err := engine.GetResourceActionDiscovery(object)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		found, err := engine.ExecuteResourceActionDiscovery(object, scripts)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		all.check(path, byName(found), byName(test.Result))
	}
	for _, test := range tests.ActionTests {
		path := filepath.Join(folder, test.InputPath)
		object, err := readObject(path)
		if err != nil {
			return err
		}
		action, err := engine.GetResourceAction(object, test.Action)
		if err != nil {
			return fmt.Errorf("%s %s: %w", test.Action, path, err)
		}
		done, err := engine.ExecuteResourceAction(object, action.ActionLua, nil)
		if err != nil {
			return fmt.Errorf("%s %s: %w", test.Action, path, err)
		}
		wanted, err := wantedOf(filepath.Join(folder, test.ExpectedOutputPath))
		if err != nil {
			return err
		}
		var have []impact
		for _, one := range done {
			have = append(have, impact{string(one.K8SOperation), one.UnstructuredObj.Object})
		}
		all.check(filepath.Join(folder, test.Action, test.InputPath), have, wanted)
	}
	return nil
}

func byName(actions []argo.ResourceAction) map[string]argo.ResourceAction {
	named := map[string]argo.ResourceAction{}
	for _, action := range actions {
		named[action.Name] = action
	}
	return named
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

func (all *suite) check(name string, have, want any) {
	all.count++
	if !reflect.DeepEqual(plain(have), plain(want)) {
		haveText, _ := yaml.Marshal(have)
		wantText, _ := yaml.Marshal(want)
		all.failed = append(all.failed, fmt.Sprintf("%s is\n%swanted is\n%s", name, haveText, wantText))
	}
}

// As JSON has it, with a time of just now as the moment of the files. Lua knows no difference between an empty list and an empty object:
// neither is compared.
func plain(value any) any {
	text, _ := json.Marshal(value)
	for format, pattern := range formats {
		text = pattern.ReplaceAllFunc(text, func(said []byte) []byte {
			at, err := time.Parse(format, string(said))
			if err != nil || time.Since(at).Abs() > time.Minute {
				return said
			}
			return []byte(moment.Format(format))
		})
	}
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
