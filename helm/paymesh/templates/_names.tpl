{{/* Names, labels and what else every object shares. */}}

{{- define "paymesh.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 32 | trimSuffix "-" }}
{{- end }}

{{/* At most 32: the longest name made of it must stay below a CronJob's 52. */}}
{{- define "paymesh.fullname" -}}
{{- $name := include "paymesh.name" . -}}
{{- $joined := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ .Values.fullnameOverride | default $joined | trunc 32 | trimSuffix "-" }}
{{- end }}

{{/* Labels that never change. Of (list $ COMPONENT), as all below that take a list. */}}
{{- define "paymesh.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "paymesh.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "paymesh.labels" -}}
{{- $ := index . 0 -}}
{{ include "paymesh.selector" . }}
app.kubernetes.io/part-of: paymesh
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "paymesh.serviceAccount" -}}
{{- $own := .Values.serviceAccount.create | ternary (include "paymesh.fullname" .) "default" -}}
{{ .Values.serviceAccount.name | default $own }}
{{- end }}

{{/* Where a service is: its name, and :PORT. */}}
{{- define "paymesh.address" -}}
{{- $ := index . 0 -}}
{{ include "paymesh.fullname" $ }}-{{ index . 1 }}{{ if $.Values.service.headless }}-headless{{ end }}:7400
{{- end }}
