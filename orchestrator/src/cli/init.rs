//! `flowctl init`: a workflow and a target to begin with. Overwrites nothing.

use std::io::Write as _;
use std::path::PathBuf;

use super::error::Error;
use super::exit_code::ExitCode;
use super::output;

/// Arguments of `flowctl init`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Directory to write into
    #[arg(default_value = ".")]
    directory: PathBuf,
}

const FILES: &[(&str, &str)] = &[
    ("workflows/example.yaml", include_str!("init/workflow.yaml")),
    ("targets/example.yaml", include_str!("init/target.yaml")),
];

pub(super) fn run(args: Args) -> Result<ExitCode, Error> {
    let paths: Vec<PathBuf> = FILES
        .iter()
        .map(|(name, _)| args.directory.join(name))
        .collect();
    // All or none: half an example helps nobody.
    if let Some(there) = paths.iter().find(|path| path.exists()) {
        return Err(Error::usage_with_help(
            format!("{} exists already", there.display()),
            "name another directory: `flowctl init DIR`",
        ));
    }
    for (path, (_, text)) in paths.iter().zip(FILES) {
        let write = || {
            path.parent().map_or(Ok(()), std::fs::create_dir_all)?;
            std::fs::File::create_new(path)?.write_all(text.as_bytes())
        };
        write().map_err(|error| Error::system(format!("write {}", path.display()), error))?;
        output::data(&format!("{}\n", path.display()))?;
    }
    output::note("`flowctl run example` runs it, `flowctl kinds` lists what steps can do");
    Ok(ExitCode::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let args = || Args {
            directory: directory.path().to_path_buf(),
        };
        assert!(matches!(run(args()), Ok(ExitCode::Success)));
        let workflow = directory.path().join("workflows/example.yaml");
        std::fs::write(&workflow, "mine").unwrap();
        let error = run(args()).unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("workflows/example.yaml exists already"),
            "{error}"
        );
        assert_eq!(std::fs::read_to_string(&workflow).unwrap(), "mine");
    }
}
