//! A page of a Trino result: read, and added to the fingerprint of the result.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use flowctl_steps::clients::trino::protocol::Page;
use flowctl_steps::clients::trino::rows::Fingerprint;
use serde_json::{Value, json};

pub(crate) fn bench(criterion: &mut Criterion) {
    let row = |number: u32| {
        json!([
            number,
            "a name of some length",
            f64::from(number) / 3.0,
            null,
            true,
            "2026-01-01 00:00:00.000000 UTC"
        ])
    };
    let rows: Vec<Value> = (0..1_000).map(row).collect();
    let page = json!({"id": "q", "stats": {"state": "RUNNING"}, "data": rows}).to_string();
    let mut group = criterion.benchmark_group("trino: a page of 1,000 rows");
    group.throughput(Throughput::Bytes(page.len() as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Page>(black_box(page.as_bytes())).unwrap());
    });
    let rows = serde_json::from_str::<Page>(&page).unwrap().data.unwrap();
    group.bench_function("fingerprint", |bencher| {
        bencher.iter(|| {
            let mut fingerprint = Fingerprint::default();
            rows.iter().for_each(|row| fingerprint.add(black_box(row)));
            fingerprint.finish()
        });
    });
    group.finish();
}
