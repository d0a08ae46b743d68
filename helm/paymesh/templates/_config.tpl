{{/* The TOML of a process. */}}

{{/* Of (list $ ROLE'S NAME ROLE). */}}
{{- define "paymesh.config" -}}
{{- $ := index . 0 }}{{ $name := index . 1 }}{{ $role := index . 2 -}}
{{- $ports := include "paymesh.ports" $role | fromYaml -}}
{{- $config := omit $.Values.config "shop_center" "rate" "trade" "pay_gateway" | deepCopy -}}
{{- $_ := set $config "drain" (printf "%vs" $.Values.drainSeconds) -}}
{{- $listen := dict "admin" (printf "0.0.0.0:%v" $ports.metrics) -}}
{{- range $port := list "grpc" "callback" }}
  {{- with index $ports $port }}{{ $_ := set $listen $port (printf "0.0.0.0:%v" .) }}{{ end }}
{{- end }}
{{- $_ := set $config "listen" $listen -}}
{{- $peers := dict -}}
{{- range without (index $.Values.calls $name | default list) "channel" "callback" }}
  {{- $_ := set $peers (. | replace "-" "_") (include "paymesh.peer" (list $ .)) }}
{{- end }}
{{- $_ := set $config "peers" $peers -}}
{{- $mesh := merge (dict "policy" "/etc/paymesh-policy/policy.json") (get $config "mesh" | default dict) -}}
{{- if $.Values.mesh.tls.enabled }}{{ $_ := set $mesh "tls" (include "paymesh.tls" $ | fromYaml) }}{{ end }}
{{- $_ := set $config "mesh" $mesh -}}
{{- if $.Values.secrets.redis.name }}
  {{- $_ := set $config "redis" (merge (dict "url_file" "/run/secrets/redis/url") (get $config "redis" | default dict)) }}
{{- end }}
{{- $own := $role.service | replace "-" "_" -}}
{{- $section := get $.Values.config $own | default dict | deepCopy -}}
{{- $database := merge (dict "url_file" "/run/secrets/database/url") (get $section "database" | default dict) -}}
{{- $_ := set $config $own (set $section "database" $database) -}}
{{ include "paymesh.toml" (list "" $config) | trim }}
{{- end }}

{{/* A table: toToml would write each integer as a float. Of (list PATH TABLE). */}}
{{- define "paymesh.toml" -}}
{{- $path := index . 0 }}{{ $table := index . 1 -}}
{{- range $key, $value := $table }}
{{- if not (or (kindIs "map" $value) (kindIs "invalid" $value)) }}
{{ include "paymesh.toml.key" $key }} = {{ include "paymesh.toml.value" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := $table }}
{{- if and (kindIs "map" $value) $value }}
{{- $key = include "paymesh.toml.key" $key }}
{{- $inner := empty $path | ternary $key (printf "%s.%s" $path $key) }}
[{{ $inner }}]
{{- include "paymesh.toml" (list $inner $value) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Bare, or quoted: a method's name has dots. */}}
{{- define "paymesh.toml.key" -}}
{{ regexMatch "^[A-Za-z0-9_-]+$" . | ternary . (quote .) }}
{{- end }}

{{/* A scalar, a list, or a table in a list: JSON's scalars are TOML's. */}}
{{- define "paymesh.toml.value" -}}
{{- if kindIs "slice" . -}}
[{{ range $i, $value := . }}{{ if $i }}, {{ end }}{{ include "paymesh.toml.value" $value }}{{ end }}]
{{- else if kindIs "map" . -}}
{ {{ range $i, $key := keys . | sortAlpha }}{{ if $i }}, {{ end }}{{ include "paymesh.toml.key" $key }} = {{ include "paymesh.toml.value" (get $ $key) }}{{ end }} }
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end }}
