{{/* A probe that runs the image's own health check, with its defaults. Of (dict "probe" values "defaults" dict). */}}
{{- define "trino.timing" -}}
{{- $timing := merge (dict) .probe .defaults -}}
{{- range $key := list "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "failureThreshold" "successThreshold" }}
{{ $key }}: {{ index $timing $key }}
{{- end }}
{{- end -}}

{{/* The Deployment of one role. Of (dict "root" $ "role" …). */}}
{{- define "trino.deployment" -}}
{{- $values := .root.Values -}}
{{- $role := index $values .role -}}
{{- $worker := eq .role "worker" -}}
{{- $resourceGroups := and (not $worker) (eq ($values.resourceGroups.type | default "") "configmap") -}}
{{- $path := $values.server.config.path -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "trino.roleName" . }}
  namespace: {{ .root.Release.Namespace }}
  labels:
    {{- include "trino.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
    {{- with $role.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $role.deployment.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  replicas: {{ if $worker }}{{ $values.server.workers }}{{ else }}1{{ end }}
  progressDeadlineSeconds: {{ $role.deployment.progressDeadlineSeconds }}
  revisionHistoryLimit: {{ $role.deployment.revisionHistoryLimit }}
  {{- with $role.deployment.strategy }}
  strategy:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    matchLabels:
      {{- include "trino.selectorLabels" .root | nindent 6 }}
      app.kubernetes.io/component: {{ .role }}
  template:
    metadata:
      labels:
        {{- include "trino.labels" .root | nindent 8 }}
        app.kubernetes.io/component: {{ .role }}
        {{- with $role.labels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        # A pod reads its files once: a changed file must mean a new pod.
        checksum/catalog-config: {{ include (print .root.Template.BasePath "/configmap-catalog.yaml") .root | sha256sum }}
        checksum/{{ .role }}-config: {{ include (print .root.Template.BasePath "/configmap-" .role ".yaml") .root | sha256sum }}
        {{- with $role.annotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ include "trino.serviceAccountName" .root }}
      # Kubernetes' own variables of each Service of the namespace are of no use to Trino.
      enableServiceLinks: false
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: {{ $role.terminationGracePeriodSeconds }}
      {{- range $key := list "priorityClassName" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" }}
      {{- with index $role $key }}
      {{ $key }}: {{- if kindIs "string" . }} {{ . }}{{ else }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- end }}
      {{- end }}
      {{- with $values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.imagePullSecrets }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumes:
        - name: config-volume
          configMap: {name: {{ include "trino.roleName" . }}}
        - name: catalog-volume
          configMap: {name: {{ include "trino.fullname" .root }}-catalog}
        {{- if $resourceGroups }}
        - name: resource-groups-volume
          configMap: {name: {{ include "trino.fullname" .root }}-resource-groups-volume-coordinator}
        {{- end }}
        {{- with $role.additionalVolumes }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      containers:
        - name: trino-{{ .role }}
          image: {{ include "trino.image" .root }}
          imagePullPolicy: {{ $values.image.pullPolicy }}
          {{- with $values.containerSecurityContext }}
          securityContext:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.env }}
          env:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          {{- with $values.envFrom }}
          envFrom:
            {{- tpl (toYaml .) $.root | nindent 12 }}
          {{- end }}
          ports:
            - {name: http, containerPort: {{ $values.service.port }}, protocol: TCP}
            {{- if lt (default .root.Chart.AppVersion $values.image.tag | toString | regexFind "^[0-9]+" | default "999" | int) 407 }}
            # Such a server has no metrics of its own; the lab's image of it carries an exporter.
            - {name: jmx-exporter, containerPort: 5556, protocol: TCP}
            {{- end }}
          volumeMounts:
            - {name: config-volume, mountPath: {{ $path }}}
            - {name: catalog-volume, mountPath: {{ $path }}/catalog}
            {{- if $resourceGroups }}
            - {name: resource-groups-volume, mountPath: {{ $path }}/resource-groups}
            {{- end }}
            {{- with $role.additionalVolumeMounts }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          startupProbe:
            exec: {command: [/usr/lib/trino/bin/health-check]}
            {{- include "trino.timing" (dict "probe" $role.startupProbe "defaults" (dict "initialDelaySeconds" 10 "periodSeconds" 2 "timeoutSeconds" 5 "failureThreshold" 60 "successThreshold" 1)) | trim | nindent 12 }}
          readinessProbe:
            exec: {command: [/usr/lib/trino/bin/health-check]}
            {{- include "trino.timing" (dict "probe" $role.readinessProbe "defaults" (dict "initialDelaySeconds" 10 "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6 "successThreshold" 1)) | trim | nindent 12 }}
          livenessProbe:
            httpGet: {path: /v1/info, port: http}
            {{- include "trino.timing" (dict "probe" $role.livenessProbe "defaults" (dict "initialDelaySeconds" 30 "periodSeconds" 10 "timeoutSeconds" 5 "failureThreshold" 6 "successThreshold" 1)) | trim | nindent 12 }}
          {{- if $role.lifecycle }}
          lifecycle:
            {{- toYaml $role.lifecycle | nindent 12 }}
          {{- else if and $worker $role.gracefulShutdown.enabled }}
          lifecycle:
            preStop:
              exec:
                # Asks the server to finish its tasks, then holds the pod until it has gone.
                command:
                  - /bin/sh
                  - -c
                  - |
                    printf 'PUT /v1/info/state HTTP/1.0\r\nHost: localhost\r\nX-Trino-User: shutdown\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n"SHUTTING_DOWN"' | nc -w 5 127.0.0.1 {{ $values.service.port }}
                    while kill -0 1 2>/dev/null; do sleep 1; done
          {{- end }}
          {{- with $role.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
{{- end -}}
