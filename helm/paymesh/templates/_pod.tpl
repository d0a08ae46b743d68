{{/* What every pod has: no privileges, no token, no place to write. */}}

{{/* Of (list $ SERVICE ACCOUNT SCHEDULING), and "true" for who needs a token. */}}
{{- define "paymesh.pod" -}}
{{- $ := index . 0 }}{{ $scheduling := index . 2 -}}
automountServiceAccountToken: {{ and (gt (len .) 3) (index . 3) | default false }}
enableServiceLinks: false
{{- with index . 1 }}
serviceAccountName: {{ . }}
{{- end }}
{{- with $.Values.imagePullSecrets }}
imagePullSecrets:{{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with index $scheduling $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Of (list $ RESOURCES). */}}
{{- define "paymesh.container" -}}
{{- $ := index . 0 }}{{ $image := $.Values.image -}}
{{- $tag := printf ":%s" ($image.tag | default $.Chart.AppVersion) -}}
image: {{ $image.repository }}{{ $image.digest | empty | ternary $tag (printf "@%s" $image.digest) }}
imagePullPolicy: {{ $image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- with index . 1 }}
resources:{{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* A Secret's one entry as a file named url. Of (list VOLUME {name, key}). */}}
{{- define "paymesh.urlVolume" -}}
{{- $secret := index . 1 -}}
- name: {{ index . 0 }}
  secret:
    secretName: {{ $secret.name }}
    defaultMode: 0440
    items: [{key: {{ $secret.key }}, path: url}]
{{- end }}
