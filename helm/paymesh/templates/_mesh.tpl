{{/* How processes find and believe each other. */}}

{{/* What to dial for a service: every address of a name, or its EndpointSlices. Of (list $ NAME). */}}
{{- define "paymesh.peer" -}}
{{- $ := index . 0 }}{{ $address := include "paymesh.address" . -}}
{{- $slices := printf "kubernetes:///%s" (replace ":" (printf ".%s:" $.Release.Namespace) $address) -}}
{{ eq $.Values.mesh.discovery "kubernetes" | ternary $slices $address }}
{{- end }}

{{/* "true" for who needs a token: who looks peers up at the API server. Of (list $ NAME). */}}
{{- define "paymesh.watches" -}}
{{- $ := index . 0 }}{{ $calls := index $.Values.calls (index . 1) | default list -}}
{{- if and (eq $.Values.mesh.discovery "kubernetes") (without $calls "channel" "callback") }}true{{ end }}
{{- end }}

{{/* The section mesh.tls of a configuration. */}}
{{- define "paymesh.tls" -}}
{{- $tls := .Values.mesh.tls -}}
cert: /run/secrets/mesh/{{ $tls.certKey }}
key: /run/secrets/mesh/{{ $tls.keyKey }}
ca: /run/secrets/mesh/{{ $tls.caKey }}
trust_domain: {{ $tls.trustDomain | quote }}
{{- end }}

{{/* The same as variables, for who has no configuration. */}}
{{- define "paymesh.tls.env" -}}
{{- range $key, $value := include "paymesh.tls" . | fromYaml }}
- {name: PAYMESH__MESH__TLS__{{ upper $key }}, value: {{ quote $value }}}
{{- end }}
{{- end }}

{{/* A folder, never single files: those would not follow a new certificate. */}}
{{- define "paymesh.tls.mount" -}}
- {name: tls, mountPath: /run/secrets/mesh, readOnly: true}
{{- end }}

{{/* Of (list $ IDENTITY). */}}
{{- define "paymesh.tls.volume" -}}
{{- $ := index . 0 }}{{ $identity := index . 1 }}{{ $tls := $.Values.mesh.tls -}}
- name: tls
  {{- if $tls.csi.driver }}
  csi: {{ toJson $tls.csi | replace "{identity}" $identity }}
  {{- else }}
  secret: {secretName: {{ index $tls.existingSecrets $identity }}, defaultMode: 0440}
  {{- end }}
{{- end }}
