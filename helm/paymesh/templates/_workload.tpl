{{/* A role's Deployment. Of (list $ NAME ROLE). */}}

{{- define "paymesh.workload" -}}
{{- $ := index . 0 }}{{ $name := index . 1 }}{{ $role := index . 2 -}}
{{- $own := include "paymesh.component" (list $ $name) | fromYaml -}}
{{- $full := printf "%s-%s" (include "paymesh.fullname" $) $name -}}
{{- $channels := eq $role.service "pay-gateway" | ternary $.Values.secrets.channels list -}}
{{- $selector := include "paymesh.selector" (list $ $name) -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $full }}
  labels:{{ include "paymesh.labels" (list $ $name) | nindent 4 }}
spec:
  replicas: {{ $own.replicas }}
  minReadySeconds: {{ $own.minReadySeconds }}
  progressDeadlineSeconds: {{ $own.progressDeadlineSeconds }}
  revisionHistoryLimit: {{ $own.revisionHistoryLimit }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:{{ $selector | nindent 6 }}
  template:
    metadata:
      labels:{{ $selector | nindent 8 }}
        app.kubernetes.io/part-of: paymesh
        {{- with $own.podLabels }}{{ toYaml . | nindent 8 }}{{ end }}
      annotations:
        checksum/config: {{ include "paymesh.config" . | sha256sum }}
        {{- with $own.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:{{ include "paymesh.pod" (list $ (include "paymesh.serviceAccount" $) $own (include "paymesh.watches" (list $ $name))) | nindent 6 }}
      terminationGracePeriodSeconds: {{ add $.Values.preStopSeconds $.Values.drainSeconds 15 }}
      {{- if $own.spread }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:{{ $selector | nindent 14 }}
      {{- end }}
      containers:
        - name: paymesh
          {{- include "paymesh.container" (list $ $own.resources) | nindent 10 }}
          args: {{ toJson $role.args }}
          env:
            - {name: PAYMESH_CONFIG, value: /etc/paymesh/paymesh.toml}
            {{- range $key, $value := merge (dict) $own.env $.Values.env }}
            - {name: {{ $key }}, value: {{ $value | toString | quote }}}
            {{- end }}
          ports:
            {{- range $port, $number := include "paymesh.ports" $role | fromYaml }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          {{- include "paymesh.probes" (list $ $role $own.probes) | nindent 10 }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $.Values.preStopSeconds }}}
          volumeMounts:
            - {name: config, mountPath: /etc/paymesh, readOnly: true}
            - {name: policy, mountPath: /etc/paymesh-policy, readOnly: true}
            - {name: database, mountPath: /run/secrets/database, readOnly: true}
            {{- if $.Values.secrets.redis.name }}
            - {name: redis, mountPath: /run/secrets/redis, readOnly: true}
            {{- end }}
            {{- if $channels }}
            - {name: channels, mountPath: /run/secrets/channels, readOnly: true}
            {{- end }}
            {{- if $.Values.mesh.tls.enabled }}
            {{- include "paymesh.tls.mount" $ | nindent 12 }}
            {{- end }}
      volumes:
        - name: config
          configMap: {name: {{ $full }}}
        - name: policy
          configMap: {name: {{ include "paymesh.fullname" $ }}-policy}
        {{- include "paymesh.urlVolume" (list "database" (index $.Values.secrets.databases $role.service)) | nindent 8 }}
        {{- if $.Values.secrets.redis.name }}
        {{- include "paymesh.urlVolume" (list "redis" $.Values.secrets.redis) | nindent 8 }}
        {{- end }}
        {{- if $channels }}
        - name: channels
          projected:
            defaultMode: 0440
            sources:
              {{- range $.Values.secrets.channels }}
              - secret: {name: {{ . }}}
              {{- end }}
        {{- end }}
        {{- if $.Values.mesh.tls.enabled }}
        {{- include "paymesh.tls.volume" (list $ $role.service) | nindent 8 }}
        {{- end }}
{{- end }}

{{/* Alive: the process answers. Started and ready: it is open for work. A kubelet has no certificate to
     show, so with mTLS it asks at the port of the metrics, which answers the same without.
     Of (list $ ROLE TIMES). */}}
{{- define "paymesh.probes" -}}
{{- $ := index . 0 }}{{ $role := index . 1 }}{{ $times := index . 2 -}}
{{- $port := $.Values.mesh.tls.enabled | ternary 7402 7400 -}}
{{- $whole := dict "grpc" (dict "port" $port "service" "") -}}
{{- $service := dict "grpc" (dict "port" $port "service" $role.health) -}}
{{- $live := dict "httpGet" (dict "path" "/livez" "port" "metrics") -}}
{{- $ready := dict "httpGet" (dict "path" "/readyz" "port" "metrics") -}}
startupProbe: {{ merge (dict) (empty $role.health | ternary $ready $whole) $times.startup | toJson }}
livenessProbe: {{ merge (dict) (empty $role.health | ternary $live $whole) $times.liveness | toJson }}
readinessProbe: {{ merge (dict) (empty $role.health | ternary $ready $service) $times.readiness | toJson }}
{{- end }}
