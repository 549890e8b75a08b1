"""The README of a chart, from its values and the comments that begin with `# --` above each."""

import json

import yaml

from charts import CHARTS


def of(chart):
    """The whole text."""
    folder = CHARTS / chart
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    text = [f"# {chart}", "", about["description"], "", "<!-- Made from values.yaml and Chart.yaml: UPDATE=1 refreshes it. -->", ""]
    text += [f"Kubernetes {about['kubeVersion'].removesuffix('-0')}; Helm 3 and 4.", "", "```", *INSTALL[chart], "```", ""]
    text += ["| value | without it | |", "|---|---|---|"]
    text += [f"| `{path}` | {default} | {comment} |" for path, default, comment in rows(folder)]
    if chart == "mizuumi":
        text += ["", *configuration(folder)]
    return "\n".join(text) + "\n"


INSTALL = {
    "mizuumi-crds": ["helm install mizuumi-crds charts/mizuumi-crds --namespace mizuumi-system --create-namespace"],
    "mizuumi": ["helm install mizuumi charts/mizuumi --namespace mizuumi-team-a --create-namespace --values team-a.yaml --wait"],
}


def rows(folder):
    """Each value with a comment: its path, its default, the comment. A value without one is a mistake."""
    lines = (folder / "values.yaml").read_text().splitlines()
    values = yaml.safe_load("\n".join(lines))
    comment, parent, found = [], None, []
    for line in lines:
        word = line.strip()
        if word.startswith("# --"):
            comment = [word.removeprefix("# --").strip()]
        elif word.startswith("#"):
            comment.append(word.removeprefix("#").strip())
        elif ":" in word:
            key, indent = word.split(":")[0], len(line) - len(line.lstrip())
            if comment:
                path = f"{parent}.{key}" if indent and parent else key
                value = values
                for part in path.split("."):
                    value = value[part]
                found.append((path, f"`{json.dumps(value)}`", " ".join(comment).replace("|", "\\|")))
            elif indent == 0:
                parent = key
            comment = []
            if indent == 0:
                parent = key
    return found


def configuration(folder):
    """Each key of the configuration, from the schema that is made of the Rust types."""
    schema = json.loads((folder / "values.schema.json").read_text())
    definitions, text = schema["$defs"], ["## config", "", "| value | type | |", "|---|---|---|"]

    def resolved(part):
        part = next((choice for choice in part.get("anyOf", []) if "$ref" in choice), part)
        return definitions[part["$ref"].rsplit("/", 1)[1]] if "$ref" in part else part

    def walk(part, path):
        part = resolved(part)
        for name, field in part.get("properties", {}).items():
            here, inner = f"{path}.{name}", resolved(field)
            if here == "config.kubernetes.namespaces":
                continue
            kind = inner.get("type", "one of " + ", ".join(str(choice.get("const", "")) for choice in inner.get("oneOf", [])))
            kind = next(word for word in kind if word != "null") if isinstance(kind, list) else kind
            star = " *" if name in part.get("required", []) else ""
            bounds = f", {inner['minimum']} to {inner['maximum']}" if inner.get("minimum") and inner.get("maximum") else ""
            default = f"; without it `{json.dumps(field['default'])}`" if isinstance(field.get("default"), (int, str, bool)) else ""
            about = " ".join((field.get("description") or inner.get("description", "")).split()).replace("|", "\\|")
            text.append(f"| `{here}`{star} | {kind}{bounds} | {about}{default} |")
            walk(inner, here)
            if isinstance(inner.get("additionalProperties"), dict):
                walk(inner["additionalProperties"], f"{here}.NAME")
            if isinstance(inner.get("items"), dict):
                walk(inner["items"], f"{here}[]")

    walk({"$ref": "#/$defs/Installation"}, "config")
    return text
