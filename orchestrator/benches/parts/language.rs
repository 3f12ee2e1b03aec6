//! A large workflow from its files, a template and an expression.

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use flowctl_steps::Registry;
use flowctl_workflows::expr::Expression;
use flowctl_workflows::policy::UndoWhen;
use flowctl_workflows::source::Disk;
use flowctl_workflows::template::Template;
use flowctl_workflows::{Context, KindCatalog, load};
use serde_json::{Map, Value, json};

pub(crate) fn bench(criterion: &mut Criterion) {
    let source = Disk::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../workflows/phase3"));
    let kinds = Kinds(flowctl::kinds::registry());
    criterion.bench_function("workflows: load phase3", |bencher| {
        bencher.iter(|| load(black_box(&source), "phase3.yaml", &kinds).unwrap());
    });
    let rows: Vec<Value> = (0..100).map(|row| json!([row, "name"])).collect();
    let params = Map::from_iter([("catalog".to_owned(), json!("iceberg"))]);
    let context = Context::new(params).with_step("seed", json!({"rows": rows, "row_count": 100}));
    let text = "SELECT * FROM {{ params.catalog }}.t WHERE n < {{ steps.seed.output.row_count }}";
    criterion.bench_function("workflows: compile a template", |bencher| {
        bencher.iter(|| Template::compile(black_box(text)).unwrap());
    });
    let template = Template::compile(text).unwrap();
    criterion.bench_function("workflows: render a template", |bencher| {
        bencher.iter(|| template.render(black_box(&context)).unwrap());
    });
    let text = "steps.seed.output.row_count == 100 && steps.seed.output.rows[99][0] == 99";
    criterion.bench_function("workflows: compile an expression", |bencher| {
        bencher.iter(|| Expression::compile(black_box(text)).unwrap());
    });
    let expression = Expression::compile(text).unwrap();
    criterion.bench_function(
        "workflows: evaluate an expression over 100 rows",
        |bencher| {
            bencher.iter(|| assert!(expression.evaluate_bool(black_box(&context)).unwrap()));
        },
    );
}

/// The step kinds as the language wants to see them.
struct Kinds(Registry);

impl KindCatalog for Kinds {
    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|entry| entry.info.name).collect()
    }

    fn params_schema(&self, kind: &str) -> Option<Arc<Value>> {
        self.0.params_schema(kind)
    }

    fn measures(&self, kind: &str) -> bool {
        self.0.get(kind).is_some_and(|entry| entry.info.measures)
    }

    fn undone(&self, kind: &str) -> UndoWhen {
        let entry = self.0.get(kind);
        entry.map_or(UndoWhen::Never, |entry| entry.undone)
    }

    fn output_schema(&self, kind: &str) -> Option<Arc<Value>> {
        let entry = self.0.get(kind)?;
        Some(Arc::new((entry.output_schema)()))
    }
}
