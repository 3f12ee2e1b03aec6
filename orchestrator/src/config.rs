//! What the process was given from outside: the only file that reads the environment and the home
//! directory. Everything else gets a [`Config`], or a lookup, as a parameter.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The environment as far as flowctl looks at it.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `FLOWCTL_STATE`.
    state: Option<PathBuf>,
    /// `FLOWCTL_TARGET`.
    pub target: Option<String>,
    /// `FLOWCTL_LAB`.
    lab: Option<PathBuf>,
    /// `FLOWCTL_LOG`: which of flowctl's own log lines are shown, as tracing filters.
    pub log: Option<String>,
    /// `XDG_STATE_HOME`, `XDG_CACHE_HOME` and `HOME`.
    state_home: Option<PathBuf>,
    cache_home: Option<PathBuf>,
    home: Option<PathBuf>,
    /// `NO_COLOR` is set to something.
    pub no_color: bool,
    /// `CI` is set to something: progress is plain lines even on a terminal.
    pub ci: bool,
}

impl Config {
    /// The environment of this process. A variable that is set to nothing counts as not set.
    #[must_use]
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var_os(name))
    }

    /// The same from any environment.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let path = |name: &str| text(name).map(PathBuf::from);
        // The XDG base directories count only when they are absolute.
        let absolute = |name: &str| path(name).filter(|path| path.is_absolute());
        let word = |name: &str| text(name).and_then(|value| value.into_string().ok());
        Self {
            state: path("FLOWCTL_STATE"),
            target: word("FLOWCTL_TARGET"),
            lab: path("FLOWCTL_LAB"),
            log: word("FLOWCTL_LOG"),
            state_home: absolute("XDG_STATE_HOME"),
            cache_home: absolute("XDG_CACHE_HOME"),
            home: path("HOME"),
            no_color: text("NO_COLOR").is_some(),
            ci: text("CI").is_some(),
        }
    }

    /// The state directory: `--state`, else `FLOWCTL_STATE`, else `flowctl` in the XDG state home.
    #[must_use]
    pub fn state_directory(&self, flag: Option<&Path>) -> Option<PathBuf> {
        let default = || {
            let home = self
                .state_home
                .clone()
                .or_else(|| Some(self.home.as_ref()?.join(".local/state")));
            home.map(|home| home.join("flowctl"))
        };
        flag.map(Path::to_path_buf)
            .or_else(|| self.state.clone())
            .or_else(default)
    }

    /// The lab's directory: `FLOWCTL_LAB`, else `flowctl/lab` in the XDG cache home.
    #[must_use]
    pub fn lab_directory(&self) -> Option<PathBuf> {
        let default = || {
            let home = self
                .cache_home
                .clone()
                .or_else(|| Some(self.home.as_ref()?.join(".cache")));
            home.map(|home| home.join("flowctl/lab"))
        };
        let lab = self.lab.clone().or_else(default)?;
        std::path::absolute(&lab).ok()
    }

    /// The home directory, for `~/` in target files.
    #[must_use]
    pub fn home(&self) -> Option<&Path> {
        self.home.as_deref()
    }
}

/// An environment variable that a target file names.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// The user as the operating system names them, for the record of who approved or cancelled.
#[must_use]
pub fn user() -> String {
    let id = rustix::process::getuid().as_raw();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    user_in(&known, id).unwrap_or_else(|| format!("user {id}"))
}

fn user_in(passwd: &str, id: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variables: &[(&str, &str)]) -> Config {
        Config::from_lookup(|name| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn a_flag_wins_over_the_environment_and_that_over_the_default() {
        let default = config(&[("HOME", "/h")]);
        assert_eq!(
            default.state_directory(None),
            Some("/h/.local/state/flowctl".into())
        );
        let xdg = config(&[
            ("HOME", "/h"),
            ("XDG_STATE_HOME", "/x"),
            ("XDG_CACHE_HOME", "relative"),
        ]);
        assert_eq!(xdg.state_directory(None), Some("/x/flowctl".into()));
        assert_eq!(xdg.lab_directory(), Some("/h/.cache/flowctl/lab".into()));
        let set = config(&[
            ("HOME", "/h"),
            ("FLOWCTL_STATE", "/s"),
            ("FLOWCTL_LAB", "/l"),
        ]);
        assert_eq!(set.state_directory(None), Some("/s".into()));
        assert_eq!(
            set.state_directory(Some(Path::new("/f"))),
            Some("/f".into())
        );
        assert_eq!(set.lab_directory(), Some("/l".into()));
        assert_eq!(config(&[]).state_directory(None), None);
    }

    #[test]
    fn an_empty_variable_counts_as_not_set() {
        let config = config(&[
            ("NO_COLOR", ""),
            ("FLOWCTL_TARGET", ""),
            ("FLOWCTL_STATE", ""),
        ]);
        assert!(
            !config.no_color && config.target.is_none() && config.state_directory(None).is_none()
        );
    }

    #[test]
    fn a_user_is_named_as_the_system_does() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n";
        assert_eq!(user_in(passwd, 1000).as_deref(), Some("ann"));
        assert_eq!(user_in(passwd, 7), None);
    }
}
