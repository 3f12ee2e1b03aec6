{{/* The files of /etc/trino that both roles have. Of (dict "root" $ "role" …). */}}

{{- define "trino.commonFiles" -}}
{{- $values := .root.Values -}}
{{- $role := index $values .role -}}
node.properties: |
  node.environment={{ tpl $values.server.node.environment .root }}
  node.data-dir={{ $values.server.node.dataDir }}
  plugin.dir={{ $values.server.node.pluginDir }}
  {{- range $values.additionalNodeProperties }}
  {{ . }}
  {{- end }}
jvm.config: |
  -server
  {{- with $role.jvm }}
  {{- if .maxHeapSize }}
  -Xmx{{ .maxHeapSize }}
  {{- end }}
  {{- if .minHeapSize }}
  -Xms{{ .minHeapSize }}
  {{- end }}
  {{- if .maxHeapPercent }}
  -XX:MaxRAMPercentage={{ .maxHeapPercent }}
  {{- end }}
  {{- if .initialHeapPercent }}
  -XX:InitialRAMPercentage={{ .initialHeapPercent }}
  {{- end }}
  -XX:+{{ .gcMethod.type }}
  {{- if eq .gcMethod.type "UseG1GC" }}
  -XX:G1HeapRegionSize={{ .gcMethod.g1.heapRegionSize }}
  {{- end }}
  {{- end }}
  -XX:+ExplicitGCInvokesConcurrent
  -XX:+HeapDumpOnOutOfMemoryError
  -XX:+ExitOnOutOfMemoryError
  -XX:-OmitStackTraceInFastThrow
  -XX:ReservedCodeCacheSize=512M
  -XX:PerMethodRecompilationCutoff=10000
  -XX:PerBytecodeRecompilationCutoff=10000
  -Djdk.attach.allowAttachSelf=true
  -Djdk.nio.maxCachedBufferSize=2000000
  {{- range $role.additionalJVMConfig }}
  {{ . }}
  {{- end }}
log.properties: |
  io.trino={{ $values.server.log.trino.level }}
  {{- range $values.additionalLogProperties }}
  {{ . }}
  {{- end }}
{{- if $values.server.exchangeManager }}
exchange-manager.properties: |
  exchange-manager.name={{ $values.server.exchangeManager.name }}
  exchange.base-directories={{ join "," $values.server.exchangeManager.baseDir }}
  {{- range $values.additionalExchangeManagerProperties }}
  {{ . }}
  {{- end }}
{{- end }}
{{- with $values.eventListenerProperties }}
event-listener.properties: |
  {{- range . }}
  {{ . }}
  {{- end }}
{{- end }}
{{- range $name, $text := $role.additionalConfigFiles }}
{{ $name }}: |
  {{- tpl $text $.root | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The lines of config.properties that both roles have. */}}
{{- define "trino.commonProperties" -}}
{{- $values := .root.Values -}}
{{- $role := index $values .role -}}
http-server.http.port={{ $values.service.port }}
query.max-memory={{ $values.server.config.query.maxMemory }}
query.max-memory-per-node={{ $role.config.query.maxMemoryPerNode }}
{{- with $role.config.memory.heapHeadroomPerNode }}
memory.heap-headroom-per-node={{ . }}
{{- end }}
{{- range $values.additionalConfigProperties }}
{{ . }}
{{- end }}
{{- if $values.worker.gracefulShutdown.enabled }}
shutdown.grace-period={{ $values.worker.gracefulShutdown.gracePeriodSeconds }}s
{{- end }}
{{- end -}}
