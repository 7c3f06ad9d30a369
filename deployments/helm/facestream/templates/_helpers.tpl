{{- define "facestream.labels" -}}
app.kubernetes.io/name: facestream
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* Labels that never change, of one service: (list $ "worker"). */ -}}
{{- define "facestream.selector" -}}
app.kubernetes.io/name: facestream
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* The pod template of one service: (list $ "worker" .Values.worker). */ -}}
{{- define "facestream.pod" -}}
{{- $ := index . 0 }}{{ $service := index . 1 }}{{ $values := index . 2 -}}
metadata:
  labels:
    {{- include "facestream.labels" $ | nindent 4 }}
    app.kubernetes.io/component: {{ $service }}
  annotations: # a change of the settings is a change of the pod
    checksum/config: {{ toYaml $.Values.config | sha256sum }}
spec:
  serviceAccountName: {{ $.Values.serviceAccount }}
  automountServiceAccountToken: false # nothing talks to the cluster
  enableServiceLinks: false
  terminationGracePeriodSeconds: 40 # longer than consumer.drain_timeout
  {{- with $.Values.image.pullSecrets }}
  imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "facestream.selector" (list $ $service) | fromYaml | toJson }}}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
  - name: {{ $service }}
    image: "{{ $.Values.image.repository }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}"
    imagePullPolicy: {{ $.Values.image.pullPolicy }}
    command: [{{ $service }}]
    env:
    - {name: FACESTREAM_CONFIG, value: /etc/facestream/facestream.yaml}
    {{- if dig "worker" "models" "" $.Values.config }}
    - {name: FACESTREAM_MODELS, value: ""} # config.worker.models applies, not the pack of the image
    {{- end }}
    {{- if $.Values.caSecret }}
    - {name: SSL_CERT_DIR, value: /etc/facestream/tls} # beside the image's own authorities, which are a file
    {{- end }}
    envFrom:
    - secretRef: {name: {{ $.Values.secret }}}
    ports:
    - {name: metrics, containerPort: 9464}
    # /healthz: the process lives, also while it waits. /readyz: broker, topics, store and gallery are there; each check takes 2 s at most.
    livenessProbe:
      httpGet: {path: /healthz, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 3
    readinessProbe:
      httpGet: {path: /readyz, port: metrics}
      periodSeconds: 10
      timeoutSeconds: 3
    resources: {{ toYaml $values.resources | nindent 6 }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    volumeMounts:
    - {name: config, mountPath: /etc/facestream/facestream.yaml, subPath: facestream.yaml, readOnly: true}
    - {name: data, mountPath: {{ $.Values.config.data_dir }}}
    - {name: tmp, mountPath: /tmp}
    {{- if $.Values.caSecret }}
    - {name: ca, mountPath: /etc/facestream/tls, readOnly: true}
    {{- end }}
  volumes:
  - {name: config, configMap: {name: {{ $.Release.Name }}-config}}
  - {name: tmp, emptyDir: {}}
  {{- if not $values.storage }}
  - {name: data, emptyDir: {}}
  {{- end }}
  {{- with $.Values.caSecret }}
  - {name: ca, secret: {secretName: {{ . }}}}
  {{- end }}
{{- end }}
