{{- define "wharf.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "wharf.fullname" -}}
{{- $name := include "wharf.name" . -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains $name .Release.Name -}}
{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "wharf.namespace" -}}
{{ default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{/* What a Service and the like find the pod by; it may never change. */}}
{{- define "wharf.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wharf.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wharf.labels" -}}
{{ include "wharf.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- end }}

{{/* name, namespace and labels of an object. */}}
{{- define "wharf.metadata" -}}
name: {{ include "wharf.fullname" . }}
namespace: {{ include "wharf.namespace" . }}
labels:
  {{- include "wharf.labels" . | nindent 2 }}
{{- end }}

{{- define "wharf.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "wharf.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "wharf.image" -}}
{{- $registry := default .Values.image.registry (.Values.global).imageRegistry -}}
{{- $image := printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- if $registry }}{{ printf "%s/%s" $registry $image }}{{ else }}{{ $image }}{{ end -}}
{{- end }}

{{/* The ports for StatsD lines, as a list. */}}
{{- define "wharf.statsdPorts" -}}
{{- with .Values.statsd }}
{{- if .enabled }}
{{- if not (or .udpPort .tcpPort) }}
{{- fail "statsd: expected udpPort or tcpPort, found neither" }}
{{- end }}
{{- with .udpPort }}
- {name: statsd-udp, port: {{ . }}, protocol: UDP}
{{- end }}
{{- with .tcpPort }}
- {name: statsd-tcp, port: {{ . }}, protocol: TCP}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* The mapping rules for StatsD lines; empty if there are none. */}}
{{- define "wharf.statsdMapping" -}}
{{- with .Values.statsd }}
{{- if .mapping }}
{{- if not .enabled }}
{{- fail "statsd.mapping: expected statsd.enabled: true beside it" }}
{{- end }}
{{- toYaml .mapping }}
{{- end }}
{{- end }}
{{- end }}

{{/* The Secret that has the web config file; empty if there is none. */}}
{{- define "wharf.webConfigSecret" -}}
{{- $web := .Values.webConfiguration -}}
{{- if ($web.existingSecret).name -}}
{{ $web.existingSecret.name }}
{{- else if or $web.basicAuthUsers ($web.tls).secretName -}}
{{ include "wharf.fullname" . }}-web-config
{{- end -}}
{{- end }}

{{- define "wharf.scheme" -}}
{{ if (.Values.webConfiguration.tls).secretName }}https{{ else }}http{{ end }}
{{- end }}

{{/* The first user by name, for probes and scrapes. */}}
{{- define "wharf.user" -}}
{{ keys (.Values.webConfiguration.basicAuthUsers | default dict) | sortAlpha | first | default "" }}
{{- end }}

{{/*
A probe. The values' own one counts if it is of another kind than httpGet. Where passwords are needed that the chart knows, they go
along; where they are in somebody else's Secret, the container asks itself, or only the port is tried.
*/}}
{{- define "wharf.probe" -}}
{{- $values := .root.Values -}}
{{- $web := $values.webConfiguration -}}
{{- $probe := deepCopy .probe -}}
{{- if $probe.httpGet -}}
{{- if ($web.existingSecret).name -}}
{{- if $web.probeSecret -}}
{{- $_ := set $probe "exec" (dict "command" (list "/bin/wharf" "healthy")) -}}
{{- else -}}
{{- $_ := set $probe "tcpSocket" (dict "port" $probe.httpGet.port) -}}
{{- end -}}
{{- $_ := unset $probe "httpGet" -}}
{{- else -}}
{{- if ($web.tls).secretName -}}
{{- $_ := set $probe.httpGet "scheme" "HTTPS" -}}
{{- end -}}
{{- if $web.basicAuthUsers -}}
{{- $user := include "wharf.user" .root -}}
{{- $basic := printf "%s:%s" $user (index $web.basicAuthUsers $user | toString) | b64enc | printf "Basic %s" -}}
{{- $headers := concat (list (dict "name" "Authorization" "value" $basic)) ($probe.httpGet.httpHeaders | default list) -}}
{{- $_ := set $probe.httpGet "httpHeaders" $headers -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{ toYaml $probe }}
{{- end }}

{{/* Whether gateways share their groups: `true`, or nothing. */}}
{{- define "wharf.isShared" -}}
{{ if .Values.etcd.endpoints }}true{{ end }}
{{- end }}

{{/* Whether there is a volume of its own: what is in etcd needs none. */}}
{{- define "wharf.hasVolume" -}}
{{ if and .Values.persistentVolume.enabled (not .Values.etcd.endpoints) }}true{{ end }}
{{- end }}

{{/* The flags that say where etcd is. */}}
{{- define "wharf.etcdArgs" -}}
{{- with .Values.etcd -}}
- --storage.etcd={{ join "," .endpoints }}
- --storage.etcd-prefix={{ .prefix }}
{{- if .user }}
- --storage.etcd-user={{ .user }}
- --storage.etcd-password-file=/etc/wharf/etcd/password
{{- end }}
{{- if .ca }}
- --storage.etcd-ca-file=/etc/wharf/etcd/ca.crt
{{- end }}
{{- if .clientCertificate }}
- --storage.etcd-cert-file=/etc/wharf/etcd/tls.crt
- --storage.etcd-key-file=/etc/wharf/etcd/tls.key
{{- end }}
{{- if .compact }}
- --storage.etcd-compact
{{- end }}
{{- if and (or .user .ca .clientCertificate) (not .existingSecret) }}
{{- fail "etcd.existingSecret: expected the Secret that has password, ca.crt, tls.crt or tls.key, found none" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "wharf.podTemplate" -}}
metadata:
  labels:
    {{- include "wharf.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- if or .Values.podAnnotations .Values.config (include "wharf.statsdMapping" .) }}
  annotations:
    {{- with include "wharf.statsdMapping" . }}
    checksum/statsd-mapping: {{ . | sha256sum }}
    {{- end }}
    {{- if .Values.config }}
    checksum/config: {{ toYaml .Values.config | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
spec:
  {{- include "wharf.podSpec" . | nindent 2 }}
{{- end }}

{{- define "wharf.podSpec" -}}
{{- $web := .Values.webConfiguration -}}
{{- $webConfig := include "wharf.webConfigSecret" . -}}
{{- $hasVolume := include "wharf.hasVolume" . -}}
{{- $isOwnClaim := and .Values.runAsStatefulSet $hasVolume (not .Values.persistentVolume.existingClaim) -}}
{{- $isShared := include "wharf.isShared" . -}}
serviceAccountName: {{ include "wharf.serviceAccountName" . }}
automountServiceAccountToken: {{ .Values.automountServiceAccountToken }}
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with default .Values.imagePullSecrets (.Values.global).imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.extraInitContainers }}
initContainers:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: wharf
    image: {{ include "wharf.image" . | quote }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    # So `wharf-data`, and a --persistence.file without a folder, are on the volume.
    workingDir: {{ .Values.persistentVolume.mountPath }}
    {{- $statsd := include "wharf.statsdPorts" . | fromYamlArray }}
    {{- if or .Values.extraArgs .Values.config $webConfig $isShared $statsd }}
    args:
      {{- if $isShared }}
      {{- include "wharf.etcdArgs" . | nindent 6 }}
      {{- end }}
      {{- if .Values.config }}
      - --config.file=/etc/wharf/config/wharf.yml
      {{- end }}
      {{- if $webConfig }}
      - --web.config.file=/etc/wharf/web/web-config.yaml
      {{- end }}
      {{- range $statsd }}
      - --statsd.listen-{{ lower .protocol }}=:{{ .port }}
      {{- end }}
      {{- if include "wharf.statsdMapping" . }}
      - --statsd.mapping-config=/etc/wharf/config/statsd-mapping.yml
      {{- end }}
      {{- with .Values.extraArgs }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    {{- if or .Values.extraVars $web.probeSecret }}
    env:
      {{- with $web.probeSecret }}
      - name: WHARF_GATEWAY
        value: {{ include "wharf.scheme" $ }}://localhost:9091
      - name: WHARF_INSECURE_SKIP_VERIFY
        value: "true"
      - name: WHARF_USERNAME
        valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
      - name: WHARF_PASSWORD
        valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
      {{- end }}
      {{- with .Values.extraVars }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
    {{- end }}
    ports:
      - name: metrics
        containerPort: 9091
        protocol: TCP
      {{- range $statsd }}
      - name: {{ .name }}
        containerPort: {{ .port }}
        protocol: {{ .protocol }}
      {{- end }}
    {{- if .Values.startup.enabled }}
    startupProbe:
      {{- include "wharf.probe" (dict "root" . "probe" .Values.startup.probe) | nindent 6 }}
    {{- end }}
    {{- if .Values.liveness.enabled }}
    livenessProbe:
      {{- include "wharf.probe" (dict "root" . "probe" .Values.liveness.probe) | nindent 6 }}
    {{- end }}
    {{- if .Values.readiness.enabled }}
    readinessProbe:
      {{- include "wharf.probe" (dict "root" . "probe" .Values.readiness.probe) | nindent 6 }}
    {{- end }}
    {{- with .Values.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.containerSecurityContext }}
    securityContext:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.lifecycle }}
    lifecycle:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: storage-volume
        mountPath: {{ .Values.persistentVolume.mountPath }}
        {{- with .Values.persistentVolume.subPath }}
        subPath: {{ . }}
        {{- end }}
      {{- if or .Values.config (include "wharf.statsdMapping" .) }}
      - name: config
        mountPath: /etc/wharf/config
        readOnly: true
      {{- end }}
      {{- if $webConfig }}
      - name: web-config
        mountPath: /etc/wharf/web
        readOnly: true
      {{- end }}
      {{- if ($web.tls).secretName }}
      - name: tls
        mountPath: /etc/wharf/tls
        readOnly: true
      {{- end }}
      {{- if .Values.etcd.existingSecret }}
      - name: etcd
        mountPath: /etc/wharf/etcd
        readOnly: true
      {{- end }}
      {{- with .Values.extraVolumeMounts }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
  {{- with .Values.extraContainers }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- if or (not $isOwnClaim) .Values.config (include "wharf.statsdMapping" .) $webConfig ($web.tls).secretName .Values.etcd.existingSecret .Values.extraVolumes }}
volumes:
  {{- if not $isOwnClaim }}
  - name: storage-volume
    {{- if $hasVolume }}
    persistentVolumeClaim:
      claimName: {{ default (include "wharf.fullname" .) .Values.persistentVolume.existingClaim }}
    {{- else }}
    emptyDir:
      {{- toYaml .Values.persistentVolume.emptyDir | nindent 6 }}
    {{- end }}
  {{- end }}
  {{- if or .Values.config (include "wharf.statsdMapping" .) }}
  - name: config
    configMap:
      name: {{ include "wharf.fullname" . }}
  {{- end }}
  {{- if $webConfig }}
  - name: web-config
    secret:
      secretName: {{ $webConfig }}
  {{- end }}
  {{- if ($web.tls).secretName }}
  - name: tls
    secret:
      secretName: {{ $web.tls.secretName }}
  {{- end }}
  {{- if .Values.etcd.existingSecret }}
  - name: etcd
    secret:
      secretName: {{ .Values.etcd.existingSecret }}
  {{- end }}
  {{- with .Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with include "wharf.affinity" . | fromYaml }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The values' own affinity, with what podAntiAffinity stands for. */}}
{{- define "wharf.affinity" -}}
{{- $name := dict "key" "app.kubernetes.io/name" "operator" "In" "values" (list (include "wharf.name" .)) -}}
{{- $apart := dict "topologyKey" .Values.podAntiAffinityTopologyKey "labelSelector" (dict "matchExpressions" (list $name)) -}}
{{- $affinity := deepCopy .Values.affinity -}}
{{- if eq .Values.podAntiAffinity "hard" -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "requiredDuringSchedulingIgnoredDuringExecution" (list $apart)) -}}
{{- else if eq .Values.podAntiAffinity "soft" -}}
{{- $wish := dict "weight" 100 "podAffinityTerm" $apart -}}
{{- $_ := set $affinity "podAntiAffinity" (dict "preferredDuringSchedulingIgnoredDuringExecution" (list $wish)) -}}
{{- end -}}
{{ toYaml $affinity }}
{{- end }}

{{/* accessModes and so on, of a claim for a volume. */}}
{{- define "wharf.claimSpec" -}}
accessModes:
  {{- toYaml .Values.persistentVolume.accessModes | nindent 2 }}
{{- with .Values.persistentVolume.storageClass }}
storageClassName: {{ if eq . "-" }}""{{ else }}{{ . | quote }}{{ end }}
{{- end }}
resources:
  requests:
    storage: {{ .Values.persistentVolume.size | quote }}
{{- end }}

{{/* What a ServiceMonitor and a PodMonitor say of their endpoint. */}}
{{- define "wharf.endpoint" -}}
{{- $monitor := .monitor -}}
path: {{ $monitor.telemetryPath }}
honorLabels: {{ $monitor.honorLabels }}
scheme: {{ default (include "wharf.scheme" .root) $monitor.scheme }}
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with $monitor.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- if $monitor.basicAuth }}
basicAuth:
  {{- toYaml $monitor.basicAuth | nindent 2 }}
{{- else if and .root.Values.webConfiguration.basicAuthUsers (not (.root.Values.webConfiguration.existingSecret).name) }}
basicAuth:
  username: {name: {{ include "wharf.fullname" .root }}-basic-auth, key: user}
  password: {name: {{ include "wharf.fullname" .root }}-basic-auth, key: password}
{{- end }}
{{- with $monitor.tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
  {{- tpl (toYaml .) $.root | nindent 2 }}
{{- end }}
{{- with $monitor.relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
