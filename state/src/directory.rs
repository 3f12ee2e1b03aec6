//! The state directory: what lies where.
//!
//! Owns the layout, the permissions, the socket's path and the count of epochs. It never opens what
//! lies in it.
//!
//! | name | what |
//! |---|---|
//! | `log/` | the event log |
//! | `evidence/ab/cdef….gz` | raw records by the hash of their content |
//! | `reports/RUN/` | rendered reports |
//! | `epoch` | how many processes have held the state for writing |
//! | `holder.json` | who holds it now |
//! | `flowctl.sock` | where the holder answers |

use std::fs::DirBuilder;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use flowctl_workflows::RunId;

use crate::disk::{replace_file, sync_directory};
use crate::error::LogError;
use crate::event::Epoch;
use crate::exchange;
use crate::sled_import::NAME;

/// The log's name.
const LOG: &str = "log";
/// A socket's path has room for this many bytes in the kernel's address structure, less its zero.
const SOCKET_PATH: usize = 107;

/// A directory that holds, or will hold, a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Makes the directory, for this user only, unless it is there.
    ///
    /// # Errors
    /// [`LogError::Io`], whose help says what to do about a read-only or foreign directory.
    pub fn create(path: &Path) -> Result<Self, LogError> {
        let path = std::path::absolute(path).map_err(|error| LogError::io("find", path, error))?;
        if !path.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|error| LogError::io("create the state directory", &path, error))?;
        }
        // Until the first epoch is counted, whoever made the way to here may have been killed before it
        // was durable, and how much of the way that was is not known.
        if !path.join("epoch").exists() {
            path.ancestors().skip(1).try_for_each(sync_foreign)?;
        }
        Ok(Self { path })
    }

    /// The directory, if a state was ever kept there.
    ///
    /// # Errors
    /// [`LogError::Io`] if that cannot be known: a state that this user may not see is not an empty one.
    pub fn existing(path: &Path) -> Result<Option<Self>, LogError> {
        let path = std::path::absolute(path).map_err(|error| LogError::io("find", path, error))?;
        // The log of an earlier flowctl is taken over by who opens it.
        let earlier = [NAME.to_owned(), format!("{}{NAME}", exchange::OLD)];
        for name in earlier.into_iter().chain([LOG.to_owned()]) {
            let log = path.join(name);
            match std::fs::metadata(&log) {
                Ok(about) if about.is_dir() => return Ok(Some(Self { path })),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(LogError::io("look into", &path, error));
                }
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The event log's directory.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.path.join(LOG)
    }

    /// The evidence store's directory.
    #[must_use]
    pub fn evidence(&self) -> PathBuf {
        self.path.join("evidence")
    }

    /// Where the reports of a run go.
    #[must_use]
    pub fn reports(&self, run: &RunId) -> PathBuf {
        self.path.join("reports").join(run.as_str())
    }

    /// Where the holder leaves word.
    #[must_use]
    pub fn holder(&self) -> PathBuf {
        self.path.join("holder.json")
    }

    /// Where the holder answers.
    ///
    /// # Errors
    /// [`LogError::Io`] if the path is too long and the directory cannot be opened.
    pub fn socket(&self) -> Result<SocketPath, LogError> {
        SocketPath::of(&self.path, "flowctl.sock")
    }

    /// The epoch of the last process that held the state for writing; 0: none did.
    ///
    /// # Errors
    /// [`LogError::Io`] if the count is there, but cannot be read.
    pub fn epoch(&self) -> Result<Epoch, LogError> {
        let path = self.path.join("epoch");
        match std::fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| {
                LogError::io("understand", &path, std::io::ErrorKind::InvalidData.into())
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(LogError::io("read", &path, error)),
        }
    }

    /// Counts a new holder, durably. Only who has the log open may call it.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn next_epoch(&self) -> Result<Epoch, LogError> {
        let epoch = self.epoch()? + 1;
        self.raise_epoch(epoch)?;
        Ok(epoch)
    }

    /// Makes later epochs greater than `epoch`: after an import, than those of the imported events.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn raise_epoch(&self, epoch: Epoch) -> Result<(), LogError> {
        if epoch <= self.epoch()? {
            return Ok(());
        }
        replace_file(&self.path.join("epoch"), format!("{epoch}\n").as_bytes())
    }
}

/// Makes the names in a directory durable, unless it is one that this user cannot have made them in.
fn sync_foreign(path: &Path) -> Result<(), LogError> {
    match sync_directory(path) {
        Err(LogError::Io { source, .. })
            if matches!(
                source.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::InvalidInput
            ) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// The path to bind or connect a Unix socket with. A path that is too long for the kernel is reached
/// through the opened directory, so keep this value until the socket is bound or connected.
#[derive(Debug)]
pub struct SocketPath {
    path: PathBuf,
    _directory: Option<OwnedFd>,
}

impl SocketPath {
    fn of(directory: &Path, name: &str) -> Result<Self, LogError> {
        let path = directory.join(name);
        if path.as_os_str().len() <= SOCKET_PATH {
            return Ok(Self {
                path,
                _directory: None,
            });
        }
        let opened = std::fs::File::open(directory)
            .map_err(|error| LogError::io("open", directory, error))?;
        let opened = OwnedFd::from(opened);
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", opened.as_raw_fd()));
        Ok(Self {
            path,
            _directory: Some(opened),
        })
    }

    /// The path to give to the kernel.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn it_is_made_for_this_user_only() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        assert_eq!(StateDirectory::existing(&path).unwrap(), None);
        let directory = StateDirectory::create(&path).unwrap();
        let mode = std::fs::metadata(directory.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_path_that_cannot_be_is_an_error_that_names_it() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = StateDirectory::create(&file.path().join("state")).unwrap_err();
        assert!(
            error.to_string().contains(file.path().to_str().unwrap()),
            "{error}"
        );
        let denied = LogError::io(
            "create",
            Path::new("/x"),
            std::io::ErrorKind::PermissionDenied.into(),
        );
        assert!(
            denied
                .help()
                .is_some_and(|help| help.contains("/x") && help.contains("--state"))
        );
    }

    #[test]
    fn epochs_only_grow() {
        let parent = tempfile::tempdir().unwrap();
        let directory = StateDirectory::create(parent.path()).unwrap();
        assert_eq!(directory.epoch().unwrap(), 0);
        assert_eq!(directory.next_epoch().unwrap(), 1);
        directory.raise_epoch(7).unwrap();
        directory.raise_epoch(3).unwrap();
        assert_eq!(directory.next_epoch().unwrap(), 8);
        std::fs::write(parent.path().join("epoch"), "x").unwrap();
        assert!(
            directory.next_epoch().is_err(),
            "a count that cannot be read never starts again"
        );
    }

    #[test]
    fn a_socket_is_reached_however_long_its_path_is() {
        for depth in [0, 20] {
            let parent = tempfile::tempdir().unwrap();
            let path = parent.path().join(vec!["directory"; depth].join("/"));
            let directory = StateDirectory::create(&path).unwrap();
            let socket = directory.socket().unwrap();
            assert_eq!(socket.path() == path.join("flowctl.sock"), depth == 0);
            let _listener = UnixListener::bind(socket.path()).unwrap();
            assert!(
                path.join("flowctl.sock").exists(),
                "it lies in the state directory"
            );
            drop(socket);
            UnixStream::connect(directory.socket().unwrap().path()).unwrap();
        }
    }
}
