module flowctl.lab/monitor

go 1.26.0
