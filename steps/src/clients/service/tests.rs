use serde_json::json;

use super::*;

fn address(text: &str) -> ServiceAddress {
    text.parse().unwrap()
}

#[test]
fn an_address_has_three_parts() {
    assert_eq!(
        address("data-platform/trino:8080").to_string(),
        "data-platform/trino:8080"
    );
    for bad in [
        "trino:8080",
        "a/b",
        "a/b:",
        "/b:1",
        "a/b/c:1",
        "a/b:1:2",
        "http://a/b:1",
    ] {
        assert_eq!(
            bad.parse::<ServiceAddress>().unwrap_err().code,
            "target.service",
            "{bad}"
        );
    }
}

#[test]
fn a_port_is_found_by_number_or_name_and_a_wrong_one_lists_those_that_are() {
    let service = json!({"spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 8080}, {"name": "jmx", "port": 9000}]}});
    assert_eq!(
        cluster_address(&service, &address("a/b:8080")).unwrap(),
        "10.96.0.7:8080"
    );
    assert_eq!(
        cluster_address(&service, &address("a/b:jmx")).unwrap(),
        "10.96.0.7:9000"
    );
    let error = cluster_address(&service, &address("a/b:80")).unwrap_err();
    assert!(error.message.contains("8080 http, 9000 jmx"), "{error}");
}

#[test]
fn a_headless_service_has_no_direct_way() {
    let service = json!({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
    assert_eq!(
        cluster_address(&service, &address("a/b:80"))
            .unwrap_err()
            .code,
        "kube.no_cluster_ip"
    );
}

#[test]
fn backends_are_ready_pods_with_their_own_port() {
    let slice = json!({"ports": [{"name": "http", "port": 8081}, {"name": "jmx", "port": 9001}], "endpoints": [
        {"conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "a"}},
        {"conditions": {"ready": false}, "targetRef": {"kind": "Pod", "name": "b"}},
        {"targetRef": {"kind": "Pod", "name": "c"}},
        {"conditions": {"ready": true}}]});
    let pods = backends_in(std::slice::from_ref(&slice), "http");
    assert_eq!(
        pods,
        [
            Backend {
                pod: "a".into(),
                port: 8081
            },
            Backend {
                pod: "c".into(),
                port: 8081
            }
        ]
    );
    assert!(leads_outside(&slice));
    assert!(backends_in(&[slice], "grpc").is_empty());
}

fn cluster() -> crate::clients::kube::fake::FakeServer {
    let pods = [("a", true), ("b", false)].map(|(name, ready)| {
        json!({"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": name}})
    });
    crate::clients::kube::fake::FakeServer::with(vec![
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "http", "port": 8080}], "endpoints": pods}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop"},
            "spec": {"clusterIP": "10.96.0.8", "ports": [{"port": 9083}]}}),
        json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"name": "db-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "db"}},
            "ports": [{"name": "", "port": 19283}], "endpoints": [{"addresses": ["10.244.0.1"]}]}),
    ])
}

fn of_cluster(kube: crate::clients::kube::Kube) -> Clients {
    Clients::new(None, crate::secret::Secrets::default()).with_cluster(kube)
}

#[tokio::test]
async fn a_direct_service_is_reached_at_its_cluster_ip_and_is_no_forward() {
    let clients = of_cluster(cluster().kube());
    let way = resolve(&clients, "shop/web:http", true).await.unwrap();
    assert_eq!(
        (way.base_url.as_str(), way.forwarded),
        ("http://10.96.0.7:80", false)
    );
    assert_eq!(
        resolve(&clients, "shop/none:80", true)
            .await
            .unwrap_err()
            .code,
        "kube.no_service"
    );
}

#[tokio::test]
async fn a_forward_leads_to_ready_pods_only_and_a_service_without_pods_has_none() {
    let kube = cluster().kube();
    let pods = backends(&kube, &address("shop/web:80")).await.unwrap();
    assert_eq!(
        pods,
        [Backend {
            pod: "a".into(),
            port: 8080
        }]
    );
    let clients = of_cluster(kube);
    assert_eq!(
        resolve(&clients, "shop/db:9083", false)
            .await
            .unwrap_err()
            .code,
        "kube.not_forwardable"
    );
}
