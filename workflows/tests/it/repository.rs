//! The schemas that are checked in are those of the types, and every workflow and target of the repository
//! fits them.

use std::path::{Path, PathBuf};

use flowctl_workflows::schema;
use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// `UPDATE_SCHEMA=1` writes them anew.
#[test]
fn checked_in_schemas_are_those_of_the_types() {
    let update = std::env::var_os("UPDATE_SCHEMA").is_some();
    for (name, schema) in [
        ("workflow", schema::workflow()),
        ("part", schema::part()),
        ("target", schema::target()),
    ] {
        let path = root().join(format!("schema/{name}.schema.json"));
        let generated = format!("{}\n", serde_json::to_string_pretty(schema).unwrap());
        if update {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &generated).unwrap();
        }
        let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            checked_in == generated,
            "{} is not what the types say: run this test with UPDATE_SCHEMA=1",
            path.display()
        );
    }
}

fn yaml_below(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            yaml_below(&path, found);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_workflow_and_target_of_the_repository_fits_its_schema() {
    let mut files = Vec::new();
    // Of the workflows' folders only the files at their top are workflows and parts; deeper ones are manifests.
    for entry in std::fs::read_dir(root()).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir()
            && !["src", "tests", "schema"]
                .iter()
                .any(|name| path.ends_with(name))
        {
            let top = std::fs::read_dir(path)
                .unwrap()
                .flatten()
                .map(|entry| entry.path());
            files.extend(top.filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "yaml")
            }));
        }
    }
    yaml_below(&root().join("../targets"), &mut files);
    let validators = [schema::workflow(), schema::part(), schema::target()]
        .map(|schema| jsonschema::validator_for(schema).unwrap());
    let mut checked = 0;
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let value: Value = serde_saphyr::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let validator = match value.get("kind").and_then(Value::as_str) {
            Some("Workflow") => &validators[0],
            Some("Target") => &validators[2],
            _ => &validators[1],
        };
        let errors: Vec<String> = validator
            .iter_errors(&value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
        checked += 1;
    }
    assert!(
        checked > 0,
        "no workflow was found: the test looks in the wrong place"
    );
}
