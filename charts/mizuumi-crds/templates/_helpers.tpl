{{- define "mizuumi-crds.labels" -}}
app.kubernetes.io/name: mizuumi
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: definitions
app.kubernetes.io/part-of: mizuumi
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "mizuumi-crds.metadata" -}}
{{- $annotations := .Values.annotations }}
{{- if .Values.keep }}
{{- $annotations = merge (dict "helm.sh/resource-policy" "keep") $annotations }}
{{- end }}
{{- with $annotations -}}
annotations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
labels:
  {{- include "mizuumi-crds.labels" . | nindent 2 }}
{{- end }}
