{{- define "mizuumi.name" -}}
{{ .Release.Name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "mizuumi.selector" -}}
app.kubernetes.io/name: mizuumi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- /* The Lease of a shard. The first one's is that of an only one: whichever comes instead of the other waits for it. */}}
{{- define "mizuumi.lease" -}}
{{ include "mizuumi.name" .root }}{{ if .shard }}-shard-{{ .shard }}{{ end }}
{{- end }}

{{- define "mizuumi.labels" -}}
{{ include "mizuumi.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: mizuumi
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mizuumi.serviceAccount" -}}
{{ .Values.serviceAccount.name | default (ternary (include "mizuumi.name" .) "default" .Values.serviceAccount.create) }}
{{- end }}

{{- define "mizuumi.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* The configuration with the namespaces. An empty list would mean all of them, so it is never written for a mistake. */}}
{{- define "mizuumi.config" -}}
{{- if and .Values.watchAllNamespaces .Values.watchNamespaces }}
{{- fail "watchNamespaces and watchAllNamespaces exclude each other: leave one of them out" }}
{{- end }}
{{- if not (or .Values.watchAllNamespaces .Values.watchNamespaces) }}
{{- fail "watchNamespaces: name at least one namespace to watch, such as [team-a]" }}
{{- end }}
{{- if has .Release.Namespace .Values.watchNamespaces }}
{{- fail (printf "watchNamespaces: %s is the namespace of this release: who may write there could be the controller; install it into a namespace of its own, with --namespace mizuumi-%s --create-namespace" .Release.Namespace .Release.Namespace) }}
{{- end }}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "kubernetes" (merge (dict "namespaces" (.Values.watchNamespaces | default list)) ($config.kubernetes | default dict)) }}
{{- if gt (int .Values.shards) 1 }}
{{- $_ := set $config.kubernetes "shards" (int .Values.shards) }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{- define "mizuumi.rules" -}}
# What people and git write: read it, and put the finalizer on and off.
- apiGroups: [mizuumi.dev]
  resources: [backfills, datatables, emrclusters, ingestjobs, ingestruns, qualitychecks, sourceconnections]
  verbs: [get, list, watch, patch]
- apiGroups: [mizuumi.dev]
  resources: [backfills/status, datatables/status, emrclusters/status, ingestjobs/status, ingestruns/status, qualitychecks/status, sourceconnections/status]
  verbs: [patch]
# Jobs and backfills make runs, and jobs clean up old ones; runs make clusters of their own.
- apiGroups: [mizuumi.dev]
  resources: [ingestruns]
  verbs: [create, delete]
- apiGroups: [mizuumi.dev]
  resources: [emrclusters]
  verbs: [create]
# To own what is made: some clusters ask for this.
- apiGroups: [mizuumi.dev]
  resources: [ingestjobs/finalizers, ingestruns/finalizers]
  verbs: [update]
# The work of runs with `kubernetesJob`.
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
# Schemas and settings that resources name.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{- define "mizuumi.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "mizuumi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}
