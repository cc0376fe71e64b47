{{/* What every template shares: names, labels, the plugin's configuration. */}}

{{- define "sallyport.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "sallyport.companion.name" -}}
{{ include "sallyport.name" . }}-companion
{{- end }}

{{- define "sallyport.labels" -}}
app.kubernetes.io/name: sallyport
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "sallyport.moreLabels" . }}
{{- end }}

{{- define "sallyport.moreLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "sallyport.companion.selector" -}}
app.kubernetes.io/name: sallyport-companion
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sallyport.companion.labels" -}}
{{ include "sallyport.companion.selector" . }}
{{ include "sallyport.moreLabels" . }}
{{- end }}

{{/* Whether the control plane is at least of this minor version: (list . "1.27"). */}}
{{- define "sallyport.istioAtLeast" -}}
{{- if semverCompare (printf ">=%s.0" (index . 1)) (printf "%s.0" (index . 0).Values.istioVersion) }}true{{ end }}
{{- end }}

{{- define "sallyport.kind" -}}
{{- if eq .Values.gate.installMode "headers" -}}
EnvoyFilter
{{- else if .Values.gate.kind -}}
{{ .Values.gate.kind }}
{{- else if include "sallyport.istioAtLeast" (list . "1.30") -}}
TrafficExtension
{{- else -}}
WasmPlugin
{{- end }}
{{- end }}

{{- define "sallyport.failStrategy" -}}
{{- if .Values.gate.failStrategy -}}
{{ .Values.gate.failStrategy }}
{{- else if include "sallyport.istioAtLeast" (list . "1.27") -}}
FAIL_RELOAD
{{- else -}}
FAIL_CLOSE
{{- end }}
{{- end }}

{{/* What a policy is attached to: pods, or a waypoint. Nothing means the whole namespace. */}}
{{- define "sallyport.target" -}}
{{- if .Values.gate.targetRefs -}}
targetRefs:
  {{- toYaml .Values.gate.targetRefs | nindent 2 }}
{{- else if .Values.gate.selector -}}
selector:
  matchLabels:
    {{- toYaml .Values.gate.selector | nindent 4 }}
{{- end }}
{{- end }}

{{/* The same for an EnvoyFilter, which knows no targets. */}}
{{- define "sallyport.workloadSelector" -}}
{{- with .Values.gate.selector -}}
workloadSelector:
  labels:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{- define "sallyport.companion.host" -}}
{{- if .Values.gate.companion.host -}}
{{ .Values.gate.companion.host }}
{{- else if .Values.companion.enabled -}}
{{ include "sallyport.companion.name" . }}.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}
{{- end }}
{{- end }}

{{- define "sallyport.companion.port" -}}
{{ ternary .Values.gate.companion.port .Values.companion.port (ne .Values.gate.companion.host "") }}
{{- end }}

{{/* pluginConfig, in JSON. */}}
{{- define "sallyport.pluginConfig" -}}
{{- $gate := .Values.gate }}
{{- $config := dict }}
{{- range $key := list "bundle" "keys" "retiredKeys" "audience" }}
{{- with index $gate $key }}{{ $_ := set $config $key . }}{{ end }}
{{- end }}
{{- $host := include "sallyport.companion.host" . }}
{{- if $host }}
{{- $port := include "sallyport.companion.port" . }}
{{- $companion := dict "cluster" (printf "outbound|%s||%s" $port $host) "authority" (printf "%s:%s" $host $port) }}
{{- with $gate.companion.path }}{{ $_ := set $companion "path" . }}{{ end }}
{{- $_ := set $config "companion" $companion }}
{{- end }}
{{- if .Values.interlock.enabled }}{{ $_ := set $config "interlock" .Values.interlock.secret }}{{ end }}
{{- if eq $gate.mode "CLIENT" }}{{ $_ := set $config "identity" $gate.workload }}
{{- else if $gate.targetRefs }}{{ $_ := set $config "identity" "peerPrincipal" }}
{{- else if not (include "sallyport.istioAtLeast" (list . "1.30")) }}{{ $_ := set $config "identity" "firstUriSan" }}{{ end }}
{{- if eq $gate.installMode "headers" }}{{ $_ := set $config "hold" "headers" }}{{ end }}
{{- toJson $config }}
{{- end }}

{{/* Values that do not go together. The schema has looked at each of them alone. */}}
{{- define "sallyport.check" -}}
{{- $gate := .Values.gate }}
{{- $own := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" "app.kubernetes.io/managed-by" "helm.sh/chart" }}
{{- range $label := $own }}
{{- if hasKey (default dict $.Values.commonLabels) $label }}
{{- fail (printf "commonLabels has %s: leave it out, the chart itself says so" $label) }}
{{- end }}
{{- end }}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "sidecar.istio.io/inject" }}
{{- if hasKey (default dict $.Values.companion.podLabels) $label }}
{{- fail (printf "companion.podLabels has %s: leave it out, the chart itself says so" $label) }}
{{- end }}
{{- end }}
{{- if $gate.enabled }}
{{- $host := include "sallyport.companion.host" . }}
{{- if not $gate.module.url }}
{{- fail "gate.module.url is empty: name the image with the module, oci://registry/repository:tag" }}
{{- end }}
{{- if and (not $gate.module.sha256) (not (hasPrefix "file://" $gate.module.url)) }}
{{- fail "gate.module.sha256 is empty: give the digest of the image's manifest, 64 hexadecimal digits" }}
{{- end }}
{{- if not (or $gate.bundle $host) }}
{{- fail "there is no policy: give gate.bundle, gate.companion.host, or companion.enabled" }}
{{- end }}
{{- if and $host (not $gate.keys) }}
{{- fail "gate.keys is empty: bundles from a companion are believed for their signature alone" }}
{{- end }}
{{- if and .Values.interlock.enabled (not .Values.interlock.secret) }}
{{- fail "interlock.secret is empty: --set interlock.secret=$(openssl rand -hex 32), or interlock.enabled=false" }}
{{- end }}
{{- if and $gate.targetRefs $gate.selector }}
{{- fail "gate.targetRefs and gate.selector exclude one another" }}
{{- end }}
{{- if not (or $gate.targetRefs $gate.selector (not .Values.companion.enabled)) }}
{{- fail "gate.selector is empty: the gate would be in front of this release's companion, too" }}
{{- end }}
{{- if and $gate.targetRefs (ne $gate.installMode "plain") }}
{{- fail "gate.targetRefs goes with gate.installMode plain only: the EnvoyFilters of the other modes are for sidecars" }}
{{- end }}
{{- if and (eq $gate.installMode "headers") $gate.module.pullSecret }}
{{- fail "gate.module.pullSecret does not work with gate.installMode headers: istiod hands Secrets out for plugins only" }}
{{- end }}
{{- if ne $gate.mode "SERVER" }}
{{- if ne $gate.installMode "plain" }}
{{- fail "gate.mode CLIENT goes with gate.installMode plain only" }}
{{- end }}
{{- if $gate.targetRefs }}
{{- fail "gate.mode CLIENT goes with gate.selector: a waypoint is on the way in" }}
{{- end }}
{{- if .Values.interlock.enabled }}
{{- fail "gate.mode CLIENT goes with interlock.enabled=false: the secret would go out with every request" }}
{{- end }}
{{- if not $gate.workload }}
{{- fail "gate.workload is empty: gate.mode CLIENT needs the SPIFFE ID of the pods" }}
{{- end }}
{{- end }}
{{- if and (eq $gate.kind "TrafficExtension") (not (include "sallyport.istioAtLeast" (list . "1.30"))) }}
{{- fail "gate.kind TrafficExtension needs istioVersion 1.30 or newer: an older control plane ignores it" }}
{{- end }}
{{- if and (eq $gate.failStrategy "FAIL_RELOAD") (not (include "sallyport.istioAtLeast" (list . "1.27"))) }}
{{- fail "gate.failStrategy FAIL_RELOAD needs istioVersion 1.27 or newer" }}
{{- end }}
{{- if and (eq .Values.accessLog.via "telemetry") (not .Values.accessLog.provider) }}
{{- fail "accessLog.provider is empty: name a provider of the mesh configuration" }}
{{- end }}
{{- end }}
{{- with .Values.companion }}
{{- if .enabled }}
{{- if not .image.repository }}{{ fail "companion.image.repository is empty" }}{{ end }}
{{- if not (or .image.tag .image.digest) }}{{ fail "companion.image needs a digest or a tag" }}{{ end }}
{{- if not (or .policyVolume .registry) }}{{ fail "companion.policyVolume is empty: {configMap: {name: ...}}, for instance; or name companion.registry" }}{{ end }}
{{- if and .policyVolume .registry }}{{ fail "companion.policyVolume and companion.registry exclude one another" }}{{ end }}
{{- if and .registry (not .verifyKeys) }}
{{- fail "companion.registry goes with companion.verifyKeys: what comes from there was signed before" }}
{{- end }}
{{- if and .registrySecret (not .registry) }}{{ fail "companion.registrySecret is for companion.registry" }}{{ end }}
{{- if eq (empty .signingKeySecrets) (empty .verifyKeys) }}
{{- fail "give either companion.signingKeySecrets or companion.verifyKeys: gates take only bundles that somebody signed" }}
{{- end }}
{{- if and .signingKeySecrets (not .keyCopyImage) }}
{{- fail "companion.keyCopyImage is empty: name an image with `install`, busybox for instance" }}
{{- end }}
{{- if and .verifyKeys .casesVolume }}
{{- fail "companion.casesVolume goes with signingKeySecrets: bundles of others are not tested again" }}
{{- end }}
{{- if and (eq .transport "tls") (not (or .tls.secretName .tls.certManager.enabled)) }}
{{- fail "companion.transport tls needs companion.tls.secretName or companion.tls.certManager" }}
{{- end }}
{{- if and (eq .transport "tls") (not .tls.client) }}
{{- fail "companion.transport tls needs companion.tls.client: how sidecars call it" }}
{{- end }}
{{- if and .tls.clientCa.configMap (ne .transport "tls") }}
{{- fail "companion.tls.clientCa goes with companion.transport tls: in the mesh the sidecar asks for certificates" }}
{{- end }}
{{- if .audit.enabled }}
{{- if not .audit.keySecret }}{{ fail "companion.audit.keySecret is empty: name a Secret with the key `audit.key`, of `policy-compiler keygen`" }}{{ end }}
{{- if and (eq .audit.store "sqlite") (ne (int64 .replicas) 1) }}
{{- fail "companion.audit.store sqlite is for one replica: set companion.replicas to 1, or take postgres" }}
{{- end }}
{{- if and (eq .audit.store "postgres") (not .audit.postgres.urlSecret) }}
{{- fail "companion.audit.postgres.urlSecret is empty: name a Secret with the key `url`" }}
{{- end }}
{{- if and .audit.from (or (ne .transport "tls") (not .tls.clientCa.configMap)) }}
{{- fail "companion.audit.from goes with companion.transport tls and companion.tls.clientCa: only then are senders known" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
