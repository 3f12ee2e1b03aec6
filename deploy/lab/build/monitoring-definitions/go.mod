// The custom resource definitions of Prometheus' operator come out of its module; nothing of it is built.
module flowctl.lab/monitoring-definitions

go 1.26.0

require github.com/prometheus-operator/prometheus-operator v0.92.0
