//! The chart `trino`, as far as phase 3 sees what it renders: a coordinator and workers with their settings, the catalogs,
//! and the Service before them. Pure.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::controllers::hex;
use crate::clients::kube::object;

/// The label with the release's name.
pub(super) const INSTANCE: &str = "app.kubernetes.io/instance";

/// The file with the resource groups.
pub(in crate::testing::rehearsal) const GROUPS: &str = "resource-groups.json";

/// What the chart reads of its values: each key here with all that lies below it, and no other.
pub(super) const TEMPLATE: &str = "\
{{ toYaml .Values.image }}{{ toYaml .Values.server }}{{ toYaml .Values.coordinator }}{{ toYaml .Values.worker }}\
{{ toYaml .Values.envFrom }}{{ toYaml .Values.catalogs }}{{ toYaml .Values.service }}{{ toYaml .Values.jmx }}\
{{ toYaml .Values.serviceMonitor }}{{ toYaml .Values.additionalConfigProperties }}{{ toYaml .Values.resourceGroups }}";

/// The objects that the chart makes of these values.
///
/// # Errors
/// For a chart that a rehearsal does not know.
pub(super) fn render(
    chart: &str,
    instance: &str,
    namespace: &str,
    values: &Value,
) -> Result<Vec<Value>, String> {
    if chart != "trino" {
        return Err(format!(
            "the rehearsal knows no chart `{chart}`, only `trino`"
        ));
    }
    let metadata = |name: String, component: &str| json!({"name": name, "namespace": namespace, "labels": labels(instance, component)});
    let config_map = |name: String, component: &str, data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(name, component), "data": data});
    let catalogs: serde_json::Map<String, Value> = values["catalogs"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, text)| (format!("{name}.properties"), text.clone()))
        .collect();
    let workers = object::number(values, "/server/workers").unwrap_or(2);
    let port = object::number(values, "/service/port").unwrap_or(8080);
    let mut objects = vec![
        config_map(
            format!("{instance}-catalog"),
            "catalog",
            Value::Object(catalogs),
        ),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata(instance.to_owned(), "coordinator"),
            "spec": {"type": "ClusterIP", "ports": [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}],
                "selector": labels(instance, "coordinator")}}),
    ];
    for (component, replicas) in [("coordinator", 1), ("worker", workers)] {
        let name = format!("{instance}-{component}");
        let settings = &values[component];
        let properties = config(values, settings, component, port);
        let groups = values["resourceGroups"]["resourceGroupsConfig"]
            .as_str()
            .filter(|_| component == "coordinator");
        let mut volumes = vec![
            json!({"name": "config", "configMap": {"name": name}}),
            json!({"name": "catalogs", "configMap": {"name": format!("{instance}-catalog")}}),
        ];
        if let Some(groups) = groups {
            let map = format!("{instance}-resource-groups");
            volumes.push(json!({"name": "resource-groups", "configMap": {"name": map}}));
            objects.push(config_map(map, component, json!({GROUPS: groups})));
        }
        // As the chart does it, so that other settings make other pods.
        let checksum = hex(&Sha256::digest(format!(
            "{properties}{}{}{}",
            jvm_config(settings),
            values["catalogs"],
            groups.unwrap_or_default()
        )));
        objects.push(config_map(
            name.clone(),
            component,
            json!({"jvm.config": jvm_config(settings), "config.properties": properties}),
        ));
        objects.push(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(name.clone(), component),
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels(instance, component)},
                "template": {"metadata": {"labels": labels(instance, component), "annotations": {"checksum/config": checksum}},
                    "spec": {"affinity": settings["affinity"],
                        "containers": [{"name": name, "image": image(values), "envFrom": values["envFrom"],
                            "resources": settings["resources"],
                            "ports": [{"name": "http", "containerPort": port, "protocol": "TCP"}]}],
                        "volumes": volumes}}}}),
        );
    }
    Ok(objects)
}

fn labels(instance: &str, component: &str) -> Value {
    json!({"app.kubernetes.io/name": "trino", INSTANCE: instance, "app.kubernetes.io/component": component,
        "app.kubernetes.io/managed-by": "Helm"})
}

fn image(values: &Value) -> String {
    let repository = values["image"]["repository"]
        .as_str()
        .unwrap_or("trinodb/trino");
    let tag = values["image"]["tag"].as_str().unwrap_or("476");
    format!("{repository}:{tag}")
}

fn jvm_config(settings: &Value) -> String {
    let heap = settings["jvm"]["maxHeapSize"].as_str().unwrap_or("8G");
    let collector = settings["jvm"]["gcMethod"]["type"]
        .as_str()
        .unwrap_or("UseG1GC");
    let region = settings["jvm"]["gcMethod"]["g1"]["heapRegionSize"]
        .as_str()
        .unwrap_or("32M");
    let mut lines = vec![
        "-server".to_owned(),
        format!("-Xmx{heap}"),
        format!("-XX:+{collector}"),
        format!("-XX:G1HeapRegionSize={region}"),
        "-XX:ReservedCodeCacheSize=512M".to_owned(),
    ];
    let more = &settings["additionalJVMConfig"];
    lines.extend(
        more.as_array()
            .into_iter()
            .flatten()
            .filter_map(|line| line.as_str().map(str::to_owned)),
    );
    lines.join("\n")
}

fn config(values: &Value, settings: &Value, component: &str, port: i64) -> String {
    let mut lines = vec![
        format!("coordinator={}", component == "coordinator"),
        format!("http-server.http.port={port}"),
    ];
    for (property, pointer, from) in [
        ("query.max-memory", "/server/config/query/maxMemory", values),
        (
            "query.max-memory-per-node",
            "/config/query/maxMemoryPerNode",
            settings,
        ),
        (
            "memory.heap-headroom-per-node",
            "/config/memory/heapHeadroomPerNode",
            settings,
        ),
    ] {
        if let Some(value) = from.pointer(pointer).and_then(Value::as_str) {
            lines.push(format!("{property}={value}"));
        }
    }
    for more in [
        &values["additionalConfigProperties"],
        &settings["additionalConfigProperties"],
    ] {
        lines.extend(
            more.as_array()
                .into_iter()
                .flatten()
                .filter_map(|line| line.as_str().map(str::to_owned)),
        );
    }
    let extra = values["server"][format!("{component}ExtraConfig")].as_str();
    lines.extend(extra.into_iter().flat_map(str::lines).map(str::to_owned));
    if component == "coordinator" && values["resourceGroups"]["resourceGroupsConfig"].is_string() {
        lines.push(
            "resource-groups.config-file=/etc/trino/resource-groups/resource-groups.json"
                .to_owned(),
        );
    }
    lines.join("\n")
}
