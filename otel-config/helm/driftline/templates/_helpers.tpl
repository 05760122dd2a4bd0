{{- define "driftline.name" -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "driftline.selector" -}}
app.kubernetes.io/name: driftline
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "driftline.labels" -}}
{{ include "driftline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/component: processor
{{- end -}}

{{- define "driftline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "driftline.tokenSecret" -}}
{{- .Values.existingTokenSecret | default (printf "%s-tokens" (include "driftline.name" .)) -}}
{{- end -}}

{{- define "driftline.webScheme" -}}
{{- if .Values.tls.existingSecret }}HTTPS{{ else }}HTTP{{ end -}}
{{- end -}}

{{- /* driftline.yaml: what the chart knows, and config of the values over it. */ -}}
{{- define "driftline.config" -}}
{{- $name := include "driftline.name" . -}}
{{- $tls := dict -}}
{{- $otlpTls := dict -}}
{{- if .Values.tls.existingSecret -}}
{{- $tls = dict "cert_file" "/etc/driftline/tls/tls.crt" "key_file" "/etc/driftline/tls/tls.key" "reload_interval" "60s" -}}
{{- $otlpTls = $tls -}}
{{- if .Values.tls.clientCertificates -}}
{{- $otlpTls = merge (dict "client_ca_file" "/etc/driftline/tls/ca.crt") $tls -}}
{{- end -}}
{{- end -}}
{{- $grpc := dict "endpoint" "0.0.0.0:4317" -}}
{{- $http := dict "endpoint" "0.0.0.0:4318" -}}
{{- $web := dict "endpoint" "0.0.0.0:8780" -}}
{{- if $tls -}}
{{- $_ := set $grpc "tls" $otlpTls -}}
{{- $_ := set $http "tls" $otlpTls -}}
{{- $_ := set $web "tls" $tls -}}
{{- end -}}
{{- $tokens := list -}}
{{- range .Values.tokens -}}
{{- $tokens = append $tokens (merge (dict "sha256_file" (printf "/etc/driftline/tokens/%s" .name)) .) -}}
{{- end -}}
{{- $hosts := list $name (printf "%s.%s" $name .Release.Namespace) (printf "%s.%s.svc" $name .Release.Namespace) (printf "%s.%s.svc.cluster.local" $name .Release.Namespace) -}}
{{- $base := dict
      "receivers" (dict "otlp" (dict "protocols" (dict "grpc" $grpc "http" $http)))
      "web" $web
      "auth" (dict "tokens" $tokens)
      "allowed_hosts" (concat $hosts .Values.allowedHosts)
      "storage" (dict "directory" "/var/lib/driftline/state") -}}
{{- mustMergeOverwrite $base (deepCopy .Values.config) | toYaml -}}
{{- end -}}
